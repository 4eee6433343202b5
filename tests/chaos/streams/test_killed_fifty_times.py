"""admit and settle under a steady stream, killed fifty times at moments nobody chose."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from contracts.codec import encode
from contracts.events import TERMINAL, Result, Status
from contracts.work import QueuedJob
from tests.support.bad_jobs import good
from tests.support.eventually import eventually
from tests.support.ledger import at_least_once_each, once_each
from tests.support.outcomes import cancelled, failure, success
from tests.support.streams import Part, Streams, streams

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(2400)]

KILLS = int(os.environ.get("KILLS", "50"))
SESSION_S = 6.0  # two seconds are too few where everything else is busy: members are thrown out for being slow
EVERY_S = 0.1
AT_A_TIME = 20

Events = list[tuple[str, bytes]]


@pytest.fixture
async def system(bootstrap: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Streams]:
    async with streams(bootstrap, topic_prefix, tmp_path, session_s=SESSION_S) as one:
        yield one


@asynccontextmanager
async def feeding(system: Streams, topic: str, make: Callable[[str], Events]) -> AsyncIterator[list[str]]:
    """Send jobs at a steady pace; yields the ids sent so far."""
    sent: list[str] = []
    numbers: Iterator[int] = itertools.count()

    async def feed() -> None:
        while True:
            ids = [f"job-{next(numbers)}" for _ in range(AT_A_TIME)]
            await system.send(topic, [event for one in ids for event in make(one)])
            sent.extend(ids)
            await asyncio.sleep(EVERY_S)

    feeder = asyncio.create_task(feed())
    yield sent
    await asyncio.sleep(0)
    feeder.cancel()
    await asyncio.gather(feeder, return_exceptions=True)


async def done(system: Streams, part: Part, role: str, topic: str) -> int:
    """Records of a topic that the group has committed."""
    if not part.running:
        await part.start()  # its own watchdog gave it up, as it does on a starved machine; a supervisor would do this
    return sum(at for tp, at in (await system.committed(role)).items() if tp.topic == topic)


async def kill_often(system: Streams, part: Part, role: str, topic: str) -> None:
    """Kill it while it works, each time after it has got further than when it was started."""
    moments = random.Random(4711)
    for _ in range(KILLS):
        await reach(system, part, role, topic, 1 + await done(system, part, role, topic))
        await asyncio.sleep(moments.uniform(0, 0.5))
        await part.kill()
        await part.start()


async def reach(system: Streams, part: Part, role: str, topic: str, count: int) -> None:
    """Wait until so many records are committed."""

    async def reached() -> bool:
        return await done(system, part, role, topic) >= count

    await eventually(reached, within=300, what=f"{role} to commit {count} records")


async def test_fifty_kills_of_admit_lose_no_job(system: Streams) -> None:
    topic = system.topics.jobs
    part = await system.start("streams.app")
    async with feeding(system, topic, lambda one: [(one, json.dumps(good(one)).encode())]) as ids:
        await kill_often(system, part, "streams", topic)
    records = len(await system.read(topic))
    await reach(system, part, "streams", topic, records)
    queue = await system.read(system.topics.queue("default", "ordinary"))
    jobs = [msgspec.json.decode(one.value, type=QueuedJob) for one in queue]
    assert not at_least_once_each({*ids} | {job.id for job in jobs}, [job.id for job in jobs])
    assert len({job.id for job in jobs}) == records
    assert len({(job.id, job.source) for job in jobs}) == records, "a job was queued by a record that did not claim it"
    print(f"admit: {records} jobs, {len(jobs) - records} queued twice, after {KILLS} kills")  # noqa: T201


async def test_fifty_kills_of_settle_tell_every_job_once(system: Streams) -> None:
    topic = system.topics.outcomes

    def told(one: str) -> Events:
        """One of each kind: alone, twice, with a zombie's, after a cancel, after a failed attempt."""
        cases = (
            [success(one)],
            [success(one), success(one)],
            [success(one), success(one, key="zombie")],
            [cancelled(one), success(one)],
            [failure(one), success(one, attempt=2), failure(one)],
        )
        return [(one, encode(each)) for each in cases[int(one.removeprefix("job-")) % len(cases)]]

    part = await system.start("streams.settle_app")
    async with feeding(system, topic, told) as ids:
        await kill_often(system, part, "settle", topic)
    records = await system.read(topic)
    await reach(system, part, "settle", topic, len(records))
    sent = {one.key.decode() for one in records}
    assert sent >= set(ids)
    results = [msgspec.json.decode(one.value, type=Result) for one in await system.read(system.topics.results)]
    assert not once_each(sent, [one.id for one in results])
    assert "zombie" not in {one.key for result in results for one in result.outputs}
    statuses = [msgspec.json.decode(one.value, type=Status) for one in await system.read(system.topics.status)]
    assert not once_each(sent, [one.id for one in statuses if one.state in TERMINAL])
    written = len(await system.read(system.topics.results, committed_only=False))
    assert written > len(results), "no kill hit an open transaction: this run has shown nothing"
    print(f"settle: {len(sent)} jobs, {written - len(results)} results in aborted transactions, after {KILLS} kills")  # noqa: T201
