"""admit killed again and again: every job gets through."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from contracts.events import Status
from contracts.work import QueuedJob
from tests.support.bad_jobs import good
from tests.support.eventually import eventually
from tests.support.ledger import at_least_once_each
from tests.support.streams import Streams, streams

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture
async def system(bootstrap: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Streams]:
    async with streams(bootstrap, topic_prefix, tmp_path) as one:
        yield one


async def test_three_killed_processes_queue_every_job_and_claim_each_once(system: Streams) -> None:
    ids = [f"{n}" for n in range(4000)]
    part = await system.start("streams.app")
    for first in range(0, 4000, 1000):
        fresh = ids[first : first + 1000]
        await system.send(system.topics.jobs, [(one, json.dumps(good(one)).encode()) for one in fresh])
        await _under_way(system, first + 200)
        if first < 3000:
            await part.kill()
            await part.start()
    await system.done_with(system.topics.jobs, "streams", 4000)
    queued = [
        msgspec.json.decode(one.value, type=QueuedJob) for one in await system.read(system.topics.queue("default", "ordinary"))
    ]
    assert not at_least_once_each(ids, [job.id for job in queued])
    assert len({(job.id, job.source) for job in queued}) == 4000, "a job was queued by a record that did not claim it"
    told = [msgspec.json.decode(one.value, type=Status) for one in await system.read(system.topics.status)]
    assert {one.state for one in told} == {"accepted", "queued"}


async def _under_way(system: Streams, count: int) -> None:
    async def written() -> bool:
        return len(await system.read(system.topics.queue("default", "ordinary"))) >= count

    await eventually(written, within=60)
