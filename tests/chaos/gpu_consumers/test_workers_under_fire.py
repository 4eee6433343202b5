"""Workers killed, stopped, frozen and started again for minutes; at the end every job has been told of."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from contracts.work import Batch
from infra.local.kafka import LocalKafka
from tests.support.batches import batches, catalog
from tests.support.eventually import eventually
from tests.support.workers import Pool, WorkerProcess, pool

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]

KILLS = 50
SIZE = 4
SEED = 20


def ids(work: list[Batch]) -> set[str]:
    return {job.id for one in work for job in one.jobs}


async def committed_is_told(one: Pool, work: list[Batch]) -> None:
    """Looked at while no worker lives, so that nothing can be told between the two looks."""
    committed = await one.committed()
    await one.all_seen()
    told = one.states().keys()
    spread = one.settings.kafka.batch_partitions
    done = [batch for number, batch in enumerate(work) if number // spread < committed.get(number % spread, 0)]
    assert ids(done) <= told, "a batch was committed before its outcomes were out"


async def progress(one: Pool) -> None:
    await one.more_than(len(one.outcomes))


async def test_fifty_kills_lose_nothing_and_cost_no_more_than_what_was_in_flight(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    async with pool(bootstrap, topic_prefix, tmp_path, catalog(tmp_path / "models.toml", base_s=0.3)) as one:
        work = batches(KILLS * 3, SIZE)
        await one.send(work)
        for _ in range(KILLS):
            worker = await one.start()
            await progress(one)
            worker.kill()
            await worker.ended()
            await committed_is_told(one, work)
        await one.start()
        await one.all_told(ids(work), within=300)
        assert {outcome.state for outcome in one.outcomes} == {"succeeded"}
        extra = sum(count - 1 for count in one.starts().values())
        assert extra <= KILLS * SIZE * one.settings.worker.slots


async def strike(one: Pool, worker: WorkerProcess, chance: random.Random) -> None:
    """One blow: the worker, its engine, a polite stop, or a freeze longer than its session."""
    blow = chance.choice(["kill", "engine", "stop", "freeze"])
    if blow == "engine":
        for pid in worker.engines:
            os.kill(pid, signal.SIGKILL)
    elif blow == "freeze":
        os.kill(worker.pid, signal.SIGSTOP)
        await asyncio.sleep(3 * one.settings.kafka.session_timeout_s)  # the freeze itself, not a wait for something
        os.kill(worker.pid, signal.SIGCONT)
    else:
        worker.kill(signal.SIGKILL if blow == "kill" else signal.SIGTERM)
        await worker.ended(60)
        await one.start()


async def test_two_workers_struck_at_random_tell_every_job(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    async with pool(bootstrap, topic_prefix, tmp_path, catalog(tmp_path / "models.toml", base_s=0.5)) as one:
        work = batches(200, SIZE)
        await one.send(work)
        for _ in range(2):
            await one.start()
        for _ in range(20):
            await progress(one)
            living = [worker for worker in one.workers if worker.process.returncode is None]
            await strike(one, chance.choice(living), chance)
        await one.all_told(ids(work), within=600)
        failures = {outcome.error.code for outcome in one.outcomes if outcome.error}
        assert failures <= {"engine_crashed"}

        async def all_committed() -> bool:
            return sum((await one.committed()).values()) == len(work)

        await eventually(all_committed, within=60, what="every batch committed")


async def test_a_broker_killed_under_a_worker_costs_no_job(own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path) -> None:
    async with pool(own_kafka.bootstrap, topic_prefix, tmp_path, catalog(tmp_path / "models.toml", base_s=0.5)) as one:
        work = batches(60, SIZE)
        await one.send(work)
        worker = await one.start()
        for _ in range(3):
            await progress(one)
            await asyncio.to_thread(own_kafka.kill9)
            await asyncio.to_thread(own_kafka.start)
        await one.all_told(ids(work), within=300)
        assert worker.process.returncode is None
        assert set(one.copies().values()) <= {1, 2}
