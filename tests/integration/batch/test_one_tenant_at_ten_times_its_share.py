"""One tenant that sends ten times its share costs another's slowest jobs at most half as much again.

Time is counted in batches: how many end between a job's coming and its own one's end. What a busy machine adds is not in that.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from contracts.publish import Publisher
from infra.settings import Models
from loadtest.crew.noop import NOOP, catalog_of, write_catalog
from streams.policy.shares import Share, Shares
from tests.support.eventually import eventually
from tests.support.queued import queue_record, queued_job
from tests.support.reporting_worker import ReportingWorker
from tests.support.scheduler_program import scheduling
from tests.support.schedulers import create_all, settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from contracts.topics import Topics
    from streams.policy.batching import Scheduler

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CAP = 8
"""Jobs in a batch."""
SHARE = CAP // 2
"""Jobs of a tenant that run in a batch if both want all."""
ROUNDS = 15
"""Batches of each stretch."""
BURST = 3
"""The modest tenant sends its share of so many batches at a time."""
ALLOWED = 1.5


class Course:
    """A worker that ends one batch a round, and jobs that come in between."""

    def __init__(self, publisher: Publisher, topics: Topics, scheduler: Scheduler, worker: ReportingWorker) -> None:
        self._publisher = publisher
        self._topics = topics
        self._scheduler = scheduler
        self._worker = worker
        self._count = 0
        self._sent: dict[str, int] = {}
        """The modest tenant's jobs, and how many batches had ended when each came."""

    async def stretch(self, name: str, greedy: int) -> list[int]:
        """So many jobs of the greedy tenant come each round. How many batches each of the modest tenant's jobs waited."""
        for number in range(ROUNDS):
            modest = SHARE * BURST if number % BURST == 0 else 0
            await self._send("greedy", f"{name}-g-{number}", greedy)
            await self._send("modest", f"{name}-m-{number}", modest)
            await self._end_a_batch()
        mine = {job for job in self._sent if job.startswith(name)}
        for _ in range(4 * BURST):
            await self._end_a_batch()
        ends = {job.id: place for place, batch in enumerate(self._worker.batches, 1) for job in batch.jobs}
        now = len(self._worker.batches) + 1  # those that still wait end then at the earliest
        return sorted(ends.get(job, now) - self._sent[job] for job in mine)

    async def _send(self, tenant: str, name: str, count: int) -> None:
        self._count += count
        jobs = [queued_job(f"{name}-{number}", tenant=tenant) for number in range(count)]
        await self._publisher.publish([queue_record(self._topics, job) for job in jobs])
        if jobs:
            await eventually(lambda: self._knows((tenant, jobs[-1].id)), what="the scheduler has read them")
        if tenant == "modest":
            self._sent |= {job.id: len(self._worker.batches) for job in jobs}

    def _knows(self, job: tuple[str, str]) -> bool:
        one = self._scheduler
        return one.window.find(job) is not None or (*job, 1) in one._flights or one._attempts.get(job, 0) > 0 or self._aside(job)

    def _aside(self, job: tuple[str, str]) -> bool:
        return self._scheduler.overflow._left[("ordinary", job[0])] > 0

    async def _end_a_batch(self) -> None:
        """And let the next one begin, if there is any."""
        worker = self._worker
        if len(worker.ran) == self._count:
            return
        await eventually(lambda: worker.taken > len(worker.batches), what="a batch began")
        assert worker.turns
        ended = len(worker.batches)
        worker.turns.release()
        await eventually(lambda: len(worker.batches) > ended, what="it ended")
        await eventually(lambda: worker.taken > len(worker.batches) or len(worker.ran) == self._count, what="the next began")


def slowest(waits: list[int]) -> int:
    """Their 99th percentile."""
    return waits[int(0.99 * len(waits))]


async def test_one_tenant_at_ten_times_its_share_costs_another_at_most_half_as_much_again(
    bootstrap: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = write_catalog(tmp_path / "models.toml", catalog_of(replace(NOOP, batch_cap=CAP)))
    settings = settings_for(bootstrap, topic_prefix, window_jobs=200, models=Models(catalog=str(catalog)))
    await create_all(settings)
    stuck: list[str] = []
    opened = Publisher(bootstrap), scheduling(settings, stuck.append), ReportingWorker(bootstrap, settings.topics)
    async with opened[0] as publisher, opened[1] as batching, opened[2] as worker:
        worker.slots, worker.turns = 1, asyncio.Semaphore(0)
        deciding = batching.pools["default"].dispatcher.scheduler
        await eventually(lambda: deciding.workers.live(time.time()), what="there is a worker")
        course = Course(publisher, settings.topics, deciding, worker)
        usual = await course.stretch("usual", SHARE)
        crowded = await course.stretch("crowded", 10 * SHARE)
        assert slowest(crowded) <= ALLOWED * slowest(usual), (usual, crowded)
        assert deciding.overflow.jobs(), "the greedy tenant's jobs are more than the window takes of it"

        monkeypatch.setattr(Shares, "charge", free_of_charge)
        assert slowest(await course.stretch("unfair", 10 * SHARE)) > ALLOWED * slowest(usual), "first in, first out is noticed"
        assert not stuck


def free_of_charge(shares: Shares, share: Share, cost_s: float, *, freely: bool = False) -> float:
    """Nobody is ever ahead of anybody: first in, first out."""
    del shares, share, freely
    return cost_s
