"""Forecasts of a real system: `darkroom up` with workers that sleep by a table, at a load that changes all the time."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from contracts.codec import Decoder
from contracts.events import Inputs, Job, Status
from contracts.topics import Topics
from loadtest.bench.kafka_io import reader
from loadtest.bench.system import running
from loadtest.crew.noop import catalog_of, write_catalog
from loadtest.eta.judge import Told
from loadtest.simulate.noop import SPEC
from loadtest.simulate.traces import TIER_SHARE, Draw
from loadtest.simulate.validate import WARM_JOBS, WORKERS, send
from streams.policy.eta import Eta

RATES = (6.0, 20.0, 2.0, 34.0, 10.0, 4.0)
"""Jobs/s, in turn; two workers do about 20."""

PART_S = 10.0
"""How long each lasts (seconds)."""

TOPICS = Topics()
_status = Decoder(Status)


def jobs_of(seconds: float, seed: int) -> list[tuple[float, Job]]:
    """Jobs and when they are to be sent (seconds from the start): two sizes, some of several pictures, 40 tenants."""
    draw, jobs = Draw("eta", seed), []
    for number, at in enumerate(draw.times(lambda at: RATES[int(at // PART_S) % len(RATES)], max(RATES), seconds)):
        side = draw.pick(((64, 0.7), (128, 0.3)))
        tier = draw.random.choices([one for one, _ in TIER_SHARE], [share for _, share in TIER_SHARE])[0]
        inputs = Inputs(prompt="a flat colour", width=side, height=side, count=draw.pick(((1, 0.8), (2, 0.2))), seed=number)
        jobs.append((at, Job(id=f"e-{number}", tenant=draw.tenant(), task="text-to-image", inputs=inputs, priority=tier)))
    return jobs


@asynccontextmanager
async def _statuses(bootstrap: str) -> AsyncIterator[list[Status]]:
    """All that is told, as it is told."""
    told: list[Status] = []

    async def follow(consumer: Any) -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                told.extend(_status(record.value) for record in records)

    async with reader(bootstrap, TOPICS.status, TOPICS.partitions) as consumer:
        following = asyncio.ensure_future(follow(consumer))
        yield told
        following.cancel()


async def _play(up: Mapping[str, Any], jobs: Sequence[tuple[float, Job]]) -> list[Status]:
    async with _statuses(up["bootstrap_servers"]) as told:
        await send(up, jobs)
        while sum(one.state == "succeeded" for one in told) < len(jobs):  # noqa: ASYNC110 - a load run, not a test
            await asyncio.sleep(0.1)
    return told


def judged(statuses: Sequence[Status]) -> list[Told]:
    """Of each job that was told when it may be done: when it was."""
    queued = {one.id: one for one in statuses if one.state == "queued" and one.queue is not None}
    ends = {one.id: one.at for one in statuses if one.state == "succeeded"}
    return [_told(one, ends[name] - one.at) for name, one in queued.items() if name in ends]


def _told(status: Status, took_s: float) -> Told:
    queue = status.queue
    assert queue is not None
    eta = Eta(queue.position, 0.0, queue.eta_s, queue.eta_low_s, queue.eta_high_s)
    return Told(at=status.at, tier=queue.tier, eta=eta, took_s=took_s)


def real(seconds: float, seed: int) -> list[Told]:
    """Forecasts and ends of all jobs."""
    warm = [(0.0, msgspec.structs.replace(job, id=f"warm-{job.id}")) for _, job in jobs_of(30.0, seed)[:WARM_JOBS]]
    with tempfile.TemporaryDirectory(prefix="darkroom-eta-") as folder:
        catalog = write_catalog(Path(folder) / "models.toml", catalog_of(SPEC))
        with running(Path(folder) / "data", "--workers", str(WORKERS), "--models", str(catalog)) as up:
            asyncio.run(send(up, warm))
            return judged(asyncio.run(_play(up, jobs_of(seconds, seed))))
