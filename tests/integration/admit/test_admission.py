"""admit and control as a process, on a real Kafka and a real file."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.events import Control, Dead, Result, Status
from contracts.work import Outcome, QueuedJob
from streams.policy.decode import Kept, unkeep
from streams.publish import Record
from tests.support.bad_jobs import BAD, good
from tests.support.eventually import eventually
from tests.support.streams import Streams, streams

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
async def system(bootstrap: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Streams]:
    async with streams(bootstrap, topic_prefix, tmp_path) as one:
        yield one


def body(id: str, **changes: Any) -> bytes:
    return json.dumps(good(id, **changes)).encode()


async def statuses(system: Streams) -> dict[str, list[Status]]:
    told = defaultdict(list)
    for record in await system.read(system.topics.status):
        status = msgspec.json.decode(record.value, type=Status)
        told[status.id].append(status)
    return told


async def queued(system: Streams, tier: str = "ordinary") -> list[QueuedJob]:
    records = await system.read(system.topics.queue("default", tier))
    return [msgspec.json.decode(record.value, type=QueuedJob) for record in records]


async def test_a_job_is_told_accepted_and_queued_and_goes_to_its_tier(system: Streams) -> None:
    await system.start("streams.app")
    await system.send(system.topics.jobs, [("a", body("a", priority="paid"))])
    await system.done_with(system.topics.jobs, "streams", 1)
    (job,) = await queued(system, "paid")
    assert (job.id, job.model, job.resolved.width, job.attempt) == ("a", "noop@1", 64, 1)
    assert bytes(job.job) == body("a", priority="paid")
    assert [one.state for one in (await statuses(system))["a"]] == ["accepted", "queued"]


async def test_the_same_job_again_is_told_again_and_another_under_its_id_is_a_conflict(system: Streams) -> None:
    await system.start("streams.app")
    await system.send(system.topics.jobs, [("a", body("a")), ("a", body("a")), ("a", body("a", priority="paid"))])
    await system.done_with(system.topics.jobs, "streams", 3)
    told = (await statuses(system))["a"]
    assert [(one.state, one.repeated) for one in told] == [
        ("accepted", False),
        ("queued", False),
        ("queued", True),
        ("conflict", False),
    ]
    assert told[-1].error is not None
    assert told[-1].error.code == "conflict"
    assert [job.id for job in await queued(system)] == ["a"]
    assert await queued(system, "paid") == []


async def test_the_key_of_a_record_is_ignored_and_the_id_is_used(system: Streams) -> None:
    await system.start("streams.app")
    await system.send(system.topics.jobs, [("another key", body("a"))])
    await system.done_with(system.topics.jobs, "streams", 1)
    records = await system.read(system.topics.queue("default", "ordinary"), system.topics.status)
    assert {record.key for record in records} == {b"a"}


async def test_a_job_that_comes_too_late_expires_and_one_cancelled_before_it_came_is_cancelled(system: Streams) -> None:
    await system.start("streams.app")
    await system.start("streams.settle_app")
    order = Control(id="early", tenant="acme", action="cancel")
    await system.send(system.topics.control, [("early", msgspec.json.encode(order))])
    await system.done_with(system.topics.control, "streams", 1)
    await system.send(system.topics.jobs, [("late", body("late", ttl_s=1e-9)), ("early", body("early"))])
    found = await results(system, 2)
    assert {one.id: one.state for one in found} == {"late": "expired", "early": "cancelled"}
    assert await queued(system) == []
    told = await statuses(system)
    assert [one.state for one in told["late"]] == ["accepted", "expired"]
    assert [one.state for one in told["early"]] == ["accepted", "cancelled"]


async def test_a_queued_job_is_cancelled_on_request_once(system: Streams) -> None:
    await system.start("streams.app")
    await system.start("streams.settle_app")
    await system.send(system.topics.jobs, [("a", body("a"))])
    await system.done_with(system.topics.jobs, "streams", 1)
    order = msgspec.json.encode(Control(id="a", tenant="acme", action="cancel"))
    await system.send(system.topics.control, [("a", order), ("a", order), ("a", b'{"id": "a", "action": "explode"}')])
    await system.done_with(system.topics.control, "streams", 3)
    outcomes = await system.read(system.topics.outcomes)
    await system.done_with(system.topics.outcomes, "settle", len(outcomes))
    assert [(one.id, one.state) for one in await results(system, 1)] == [("a", "cancelled")]
    (dead,) = await system.read(system.topics.dead)
    assert msgspec.json.decode(dead.value, type=Dead).topic == system.topics.control


async def results(system: Streams, count: int) -> list[Result]:
    async def there() -> list[Any] | None:
        records = await system.read(system.topics.results)
        return records if len(records) >= count else None

    return [msgspec.json.decode(record.value, type=Result) for record in await eventually(there, within=60)]


async def test_the_trace_a_job_came_with_is_passed_on(system: Streams) -> None:
    await system.start("streams.app")
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await system.publisher.publish([Record(system.topics.jobs, b"a", body("a"), [("traceparent", trace)])])
    await system.done_with(system.topics.jobs, "streams", 1)
    onward = await system.read(system.topics.queue("default", "ordinary"), system.topics.status)
    assert {dict(one.headers)["traceparent"] for one in onward} == {trace}
    assert {dict(one.headers)["ce_source"] for one in onward} == {b"/darkroom/admit"}


async def test_every_bad_event_is_answered_once_kept_byte_for_byte_and_holds_nothing_up(system: Streams) -> None:
    await system.start("streams.app")
    await system.start("streams.settle_app")
    events = [(name, bad.body) for name, bad in BAD.items()]
    await system.send(system.topics.jobs, [*events, *((f"good-{n}", body(f"good-{n}")) for n in range(8))])
    await system.done_with(system.topics.jobs, "streams", len(events) + 8)
    await system.done_with(system.topics.outcomes, "settle", len(events))
    assert {job.id for job in await queued(system)} == {f"good-{n}" for n in range(8)}
    told = {one.id: one for one in await results(system, 1)}
    for bad in BAD.values():
        if bad.id:
            error = told.pop(bad.id).error
            assert error is not None
            assert (error.code, error.message.split(":")[0]) == (bad.code, bad.field)
    assert not told
    dead = [msgspec.json.decode(record.value, type=Dead) for record in await system.read(system.topics.dead)]
    kept = sorted(unkeep(Kept(one.body, one.encoding)) or b"" for one in dead)
    assert kept == sorted(bad.body or b"" for bad in BAD.values())


async def test_nothing_a_sender_wrote_is_in_the_log(system: Streams) -> None:
    part = await system.start("streams.app")
    secret = "a very private prompt"  # noqa: S105
    await system.send(
        system.topics.jobs, [("a", body("a", inputs={"prompt": secret})), ("b", f'{{"id":"b","{secret}":1'.encode())]
    )
    await system.done_with(system.topics.jobs, "streams", 2)
    assert await part.end() == 0
    assert secret not in part.log.read_text()


async def test_a_store_that_is_down_holds_jobs_back_and_loses_none(system: Streams) -> None:
    file = system.folder / "jobs.db"
    file.write_bytes(b"this is no database" * 1000)
    part = await system.start("streams.app")
    await system.send(system.topics.jobs, [(f"{n}", body(f"{n}")) for n in range(20)])
    await eventually(lambda: part.log.read_text().count("the job store is unavailable") >= 3)
    assert await queued(system) == []
    file.unlink()
    await system.done_with(system.topics.jobs, "streams", 20)
    assert {job.id for job in await queued(system)} == {f"{n}" for n in range(20)}


async def test_an_outcome_names_its_source_so_that_a_replay_can_be_told_apart(system: Streams) -> None:
    await system.start("streams.app")
    await system.send(system.topics.jobs, [("x", b"{nope"), ("x", b"{nope")])
    await system.done_with(system.topics.jobs, "streams", 2)
    outcomes = [msgspec.json.decode(one.value, type=Outcome) for one in await system.read(system.topics.outcomes)]
    assert len({one.source for one in outcomes}) == 2
    assert all(one.silent for one in outcomes)
