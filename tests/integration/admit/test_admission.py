"""admit and control as a process, on a real Kafka and a real file. All but two tests share one running system."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from contracts.codec import encode
from contracts.events import Control, Dead, Result, Status
from contracts.records import Record
from contracts.work import Outcome, QueuedJob
from streams.policy.decode import Kept, unkeep
from tests.support.bad_jobs import BAD, good
from tests.support.eventually import eventually
from tests.support.streams import Streams, streams

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Streams]:
    """The Faust app and settle, for tests that only send and look."""
    async with streams(bootstrap, f"admission-{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("admission")) as one:
        await one.start("streams.app")
        await one.start("streams.settle_app")
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def own(bootstrap: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Streams]:
    """Topics for a test that starts its own process."""
    async with streams(bootstrap, topic_prefix, tmp_path) as one:
        yield one


def body(id: str, **changes: Any) -> bytes:
    return json.dumps(good(id, **changes)).encode()


def cancel(id: str) -> bytes:
    return encode(Control(id=id, tenant="acme", action="cancel"))


async def found(system: Streams, topic: str, kind: type[Any], fits: Callable[[Any], bool], least: int = 1) -> list[Any]:
    """Events of a topic that fit, once there are so many."""

    async def there() -> list[Any] | None:
        events = [msgspec.json.decode(one.value, type=kind) for one in await system.read(topic)]
        fitting = [one for one in events if fits(one)]
        return fitting if len(fitting) >= least else None

    return await eventually(there, within=60, what=f"{least} records of {topic}")


async def told(system: Streams, id: str, count: int) -> list[Status]:
    return await found(system, system.topics.status, Status, lambda one: one.id == id, count)


async def queued(system: Streams, tier: str, id: str) -> QueuedJob:
    (job,) = await found(system, system.topics.queue("default", tier), QueuedJob, lambda one: one.id == id)
    assert isinstance(job, QueuedJob)
    return job


async def result(system: Streams, id: str) -> Result:
    (one,) = await found(system, system.topics.results, Result, lambda one: one.id == id)
    assert isinstance(one, Result)
    return one


async def test_a_job_is_told_accepted_and_queued_and_goes_to_its_tier(running: Streams) -> None:
    event = body("paid", priority="paid")
    await running.send(running.topics.jobs, [("paid", event)])
    job = await queued(running, "paid", "paid")
    assert (job.model, job.resolved.width, job.attempt) == ("noop@1", 64, 1)
    assert bytes(job.job) == event
    assert [one.state for one in await told(running, "paid", 2)] == ["accepted", "queued"]


async def test_the_same_job_again_is_told_again_and_another_under_its_id_is_a_conflict(running: Streams) -> None:
    events = [("twin", body("twin")), ("twin", body("twin")), ("twin", body("twin", priority="paid"))]
    await running.send(running.topics.jobs, events)
    statuses = await told(running, "twin", 4)
    assert [(one.state, one.repeated) for one in statuses] == [
        ("accepted", False),
        ("queued", False),
        ("queued", True),
        ("conflict", False),
    ]
    assert statuses[-1].error is not None
    assert statuses[-1].error.code == "conflict"
    assert bytes((await queued(running, "ordinary", "twin")).job) == body("twin")


async def test_the_key_of_a_record_is_ignored_and_the_id_is_used(running: Streams) -> None:
    await running.send(running.topics.jobs, [("another key", body("keyed"))])
    await queued(running, "ordinary", "keyed")
    onward = await running.read(running.topics.queue("default", "ordinary"), running.topics.status)
    assert {one.key for one in onward if b'"keyed"' in one.value} == {b"keyed"}


async def test_a_job_that_comes_too_late_expires(running: Streams) -> None:
    await running.send(running.topics.jobs, [("late", body("late", ttl_s=1e-9))])
    assert (await result(running, "late")).state == "expired"
    assert [one.state for one in await told(running, "late", 2)] == ["accepted", "expired"]


async def test_a_job_cancelled_before_it_came_is_cancelled_when_it_comes(running: Streams) -> None:
    await running.send(running.topics.control, [("early", cancel("early"))])
    await running.caught_up(running.topics.control, "streams")
    await running.send(running.topics.jobs, [("early", body("early"))])
    assert (await result(running, "early")).state == "cancelled"
    assert [one.state for one in await told(running, "early", 2)] == ["accepted", "cancelled"]


async def test_a_queued_job_is_cancelled_on_request_once(running: Streams) -> None:
    await running.send(running.topics.jobs, [("unwanted", body("unwanted"))])
    await queued(running, "ordinary", "unwanted")
    await running.send(running.topics.control, [("unwanted", cancel("unwanted"))] * 2)
    await running.caught_up(running.topics.control, "streams")
    await running.caught_up(running.topics.outcomes, "settle")
    assert (await result(running, "unwanted")).state == "cancelled"


async def test_an_order_that_is_none_is_kept_and_not_taken_for_the_end_of_its_job(running: Streams) -> None:
    order = b'{"id": "obeyed", "tenant": "acme", "action": "explode"}'
    await running.send(running.topics.control, [("obeyed", order)])
    (dead,) = await found(running, running.topics.dead, Dead, lambda one: one.id == "obeyed")
    assert (dead.topic, dead.body) == (running.topics.control, order.decode())
    assert b'"obeyed"' not in b"".join(one.value for one in await running.read(running.topics.results))


async def test_the_trace_a_job_came_with_is_passed_on(running: Streams) -> None:
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await running.publisher.publish([Record(running.topics.jobs, b"traced", body("traced"), [("traceparent", trace)])])
    await queued(running, "ordinary", "traced")
    onward = await running.read(running.topics.queue("default", "ordinary"), running.topics.status)
    headers = [dict(one.headers) for one in onward if one.key == b"traced"]
    assert [(one["traceparent"], one["ce_source"]) for one in headers] == [(trace, b"/darkroom/admit")] * 3


async def test_every_bad_event_is_answered_once_kept_byte_for_byte_and_holds_nothing_up(running: Streams) -> None:
    events = [(name, bad.body) for name, bad in BAD.items()]
    more = [f"good-{n}" for n in range(8)]
    await running.send(running.topics.jobs, [*events, *((one, body(one)) for one in more)])
    for one in more:
        await queued(running, "ordinary", one)
    await running.caught_up(running.topics.jobs, "streams")
    await running.caught_up(running.topics.outcomes, "settle")
    ids = {bad.id for bad in BAD.values() if bad.id}
    answers = await found(running, running.topics.results, Result, lambda one: one.id in ids, len(ids))
    errors = {one.id: one.error for one in answers}
    assert len(answers) == len(errors) == len(ids)
    for bad in BAD.values():
        assert not bad.id or (errors[bad.id].code, errors[bad.id].message.split(":")[0]) == (bad.code, bad.field)
    dead = await found(running, running.topics.dead, Dead, _of_these, len(BAD))
    assert len(dead) == len(BAD)
    kept = sorted(unkeep(Kept(one.body, one.encoding)) or b"" for one in dead)
    assert kept == sorted(bad.body or b"" for bad in BAD.values())


def _of_these(letter: Dead) -> bool:
    return any(unkeep(Kept(letter.body, letter.encoding)) == bad.body for bad in BAD.values())


async def test_two_records_with_the_same_bytes_are_two_rejections(running: Streams) -> None:
    await running.send(running.topics.jobs, [("again", b'{"id":"again"}')] * 2)
    outcomes = await found(running, running.topics.outcomes, Outcome, lambda one: one.id == "again", 2)
    assert len({one.source for one in outcomes}) == 2
    assert len(await found(running, running.topics.results, Result, lambda one: one.id == "again", 2)) == 2


async def test_nothing_a_sender_wrote_is_in_the_log(own: Streams) -> None:
    part = await own.start("streams.app")
    private = "a very private prompt"
    events = [("a", body("a", inputs={"prompt": private})), ("b", f'{{"id":"b","{private}":1'.encode())]
    await own.send(own.topics.jobs, events)
    await own.done_with(own.topics.jobs, "streams", 2)
    assert await part.end() == 0
    assert private not in part.log.read_text()


async def test_a_store_that_is_down_holds_jobs_back_and_loses_none(own: Streams) -> None:
    file = own.folder / "jobs.db"
    file.write_bytes(b"this is no database" * 1000)
    part = await own.start("streams.app")
    await own.send(own.topics.jobs, [(f"{n}", body(f"{n}")) for n in range(20)])
    await eventually(lambda: part.log.read_text().count("the job store is unavailable") >= 3, within=90)
    assert await own.read(own.topics.queue("default", "ordinary")) == []
    file.unlink()
    await own.done_with(own.topics.jobs, "streams", 20)
    onward = await own.read(own.topics.queue("default", "ordinary"))
    assert {one.key.decode() for one in onward} == {f"{n}" for n in range(20)}
