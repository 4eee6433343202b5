"""The whole path with an engine that jobs can end, fill or confuse: what becomes of them, and of those beside them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from contracts.events import Dead, Result, Status
from contracts.work import Batch
from darkroom.cli.root import run
from infra.settings import Kafka
from tests.support.bad_jobs import good
from tests.support.eventually import eventually
from tests.support.streams import Streams, streams

pytestmark = [pytest.mark.integration, pytest.mark.timeout(480)]
PATIENCE = 200.0
"""Seconds: an engine process that starts imports a lot, and some tests end a dozen."""
T = TypeVar("T")
WORKER = "tests.support.harmful_worker"


@dataclass(kw_only=True)
class Told:
    """A system with the worker that jobs can harm, and what it has told so far."""

    streams: Streams
    statuses: list[Status]
    results: list[Result]

    async def send(self, jobs: dict[str, str], **changes: Any) -> None:
        """Jobs by id, with what they do."""
        made = {id: good(id, inputs={"prompt": f"{word} secret", "seed": 7}, **changes) for id, word in jobs.items()}
        await self.streams.send(self.streams.topics.jobs, [(id, json.dumps(job).encode()) for id, job in made.items()])

    async def queued(self, count: int) -> None:
        """Wait until so many jobs wait for a worker: the first batch then is all of them."""
        await eventually(
            lambda: sum(one.state == "queued" for one in self.statuses) >= count, within=PATIENCE, what=f"{count} jobs queued"
        )

    async def retrying(self, attempt: int) -> None:
        """Wait until some job is to run for the so-manieth time."""

        def told() -> bool:
            return any(one.state == "retrying" and one.attempt >= attempt for one in self.statuses)

        await eventually(told, within=PATIENCE, what=f"attempt {attempt} of a job")

    async def ended(self, count: int) -> dict[str, Result]:
        """Wait until so many jobs have a result; each has one."""
        await eventually(lambda: len(self.results) >= count, within=PATIENCE, what=f"{count} results")
        found = {one.id: one for one in self.results}
        assert len(found) == len(self.results) == count
        return found

    async def letters(self) -> dict[str, Dead]:
        """All dead letters; each job has one."""
        found = await self.read(self.streams.topics.dead, Dead)
        assert len({one.id for one in found}) == len(found)
        return {one.id: one for one in found}

    async def read(self, topic: str, kind: type[T]) -> list[T]:
        return [msgspec.json.decode(one.value, type=kind) for one in await self.streams.read(topic)]


@pytest.fixture
async def system(bootstrap: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Told]:
    monkeypatch.setenv("DARKROOM_TEST_CURED", str(tmp_path / "cured"))
    async with streams(bootstrap, topic_prefix, tmp_path, session_s=6.0) as one:
        topics = one.topics
        async with one.follow(topics.status, Status) as statuses, one.follow(topics.results, Result) as results:
            yield Told(streams=one, statuses=statuses, results=results)


async def darkroom(system: Told, *arguments: str) -> tuple[int, list[Any], str]:
    """Exit status, JSON documents printed, and what was said on stderr."""
    kafka: Kafka = system.streams.settings.kafka
    where = ["--kafka", kafka.bootstrap_servers, "--prefix", kafka.prefix]

    def command() -> tuple[int, list[Any], str]:
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            status = run([*arguments, *where])
        return status, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()

    return await asyncio.to_thread(command)


async def test_the_neighbours_of_a_job_that_ends_the_engine_succeed_whatever_is_killed_meanwhile(system: Told) -> None:
    jobs = {f"job-{n}": "harmless" for n in range(6)} | {"job-1": "segfault"}
    scheduler, settler = await system.streams.start("streams.app"), await system.streams.start("streams.settle_app")
    await system.send(jobs)
    await system.queued(len(jobs))
    worker = await system.streams.start(WORKER)
    await system.retrying(2)
    await scheduler.kill()
    await scheduler.start()
    await system.retrying(3)
    await worker.kill()
    await worker.start()
    await system.retrying(4)
    await settler.kill()
    await settler.start()
    ended = await system.ended(len(jobs))
    assert {id for id, one in ended.items() if one.state != "succeeded"} == {"job-1"}
    letters = await system.letters()
    assert {id: one.cause.code for id, one in letters.items()} == {"job-1": "engine_crashed"}
    attempts = letters["job-1"].attempts
    assert [one.size for one in attempts if one.counted] == [1, 1, 1, 1]
    assert attempts[0].size == 6
    assert [one.number for one in attempts] == list(range(1, len(attempts) + 1))
    assert len(attempts) <= 7
    batches = await system.read(system.streams.topics.batches("default"), Batch)
    runs = Counter(job.id for one in batches for job in one.jobs)
    assert all(count <= 4 for id, count in runs.items() if id not in letters), "more runs than halvings"


async def test_a_batch_that_did_not_fit_makes_the_next_ones_smaller_and_fails_nobody(system: Told) -> None:
    first, second = ({f"{name}-{n}": "room" for n in range(8)} for name in ("first", "second"))
    await system.streams.start("streams.app")
    await system.streams.start("streams.settle_app")
    await system.send(first)
    await system.queued(8)
    await system.streams.start(WORKER)
    await system.ended(8)
    await system.send(second)
    ended = await system.ended(16)
    assert {one.state for one in ended.values()} == {"succeeded"}
    sizes = {id: one.batch.size for id, one in ended.items() if one.batch}
    assert {sizes[id] for id in first} == {8}
    assert {sizes[id] for id in second} <= {1, 2}


async def test_a_job_too_large_for_the_device_is_made_smaller_if_it_may_be_and_given_up_if_not(system: Told) -> None:
    await system.streams.start("streams.app")
    await system.streams.start("streams.settle_app")
    await system.streams.start(WORKER)
    await system.send({"may": "heavy"}, degrade="allowed")
    await system.send({"may-not": "heavy"})
    await system.send({"paid": "heavy"}, degrade="allowed", priority="paid")
    ended = await system.ended(3)
    assert {id: (one.state, one.degraded) for id, one in ended.items()} == {
        "may": ("succeeded", ["width", "height"]),
        "may-not": ("failed", []),
        "paid": ("failed", []),
    }

    def told() -> list[str]:
        return [one.state for one in system.statuses if one.id == "may" and one.state != "running"]

    await eventually(lambda: "succeeded" in told())
    assert told() == ["accepted", "queued", "retrying", "retrying", "degraded", "succeeded"]
    letters = await system.letters()
    assert letters.keys() == {"may-not", "paid"}
    assert [one.code for one in letters["paid"].attempts] == ["out_of_memory"] * 4


async def test_dead_letters_are_listed_shown_replayed_and_dropped(system: Told) -> None:
    await system.streams.start("streams.app")
    await system.streams.start("streams.settle_app")
    await system.streams.start(WORKER)
    await system.send({"sick": "poison", "hopeless": "poison"})
    await system.streams.send(system.streams.topics.jobs, [("odd", b'{"id": "odd", "tenant": "acme", "oops": 1}')])
    await system.ended(3)
    _, listed, _ = await darkroom(system, "dead", "list", "--json")
    assert {one["id"] for one in listed} == {"sick", "hopeless", "odd"}
    (letter,) = (await darkroom(system, "dead", "show", "sick"))[1]
    assert letter["cause"]["code"] == "poison"
    assert (letter["repro"]["seed"], letter["repro"]["model"]) == (7, "noop@1")
    assert letter["versions"].keys() >= {"darkroom", "model", "engine", "python", "numpy"}
    (attempt,) = letter["attempts"]
    assert attempt["ended_at"] >= attempt["started_at"] > 0
    assert "secret" in letter["body"]
    assert "secret" not in json.dumps({name: value for name, value in letter.items() if name != "body"})
    for record in await system.streams.read(system.streams.topics.dead):
        assert b"secret" not in b"".join(value for _, value in record.headers)

    (system.streams.folder / "cured").touch()
    status, replayed, _ = await darkroom(system, "dead", "replay", "sick", "--json")
    assert status == 0
    again = (await system.ended(4))[replayed[0]["id"]]
    assert (again.state, again.outputs[0].seed) == ("succeeded", 7)
    status, _, said = await darkroom(system, "dead", "replay", "sick")
    assert (status, said) == (1, f"darkroom: sick was replayed as {again.id} before.\n")

    assert (await darkroom(system, "dead", "drop", "hopeless", "odd", "--json"))[0] == 0
    assert (await darkroom(system, "dead", "list", "--json"))[1] == []
    kept = {one["id"]: one.get("handled") for one in (await darkroom(system, "dead", "list", "--all", "--json"))[1]}
    assert kept == {"sick": f"replayed as {again.id}", "hopeless": "dropped", "odd": "dropped"}
    status, _, said = await darkroom(system, "dead", "drop", "nobody")
    assert (status, said) == (1, "darkroom: No dead letter of nobody.\n")
    status, _, said = await darkroom(system, "dead", "replay", "odd")
    assert (status, said) == (1, "darkroom: odd was dropped before.\n")
