"""`python -m loadtest.simulate.validate`: is the simulator right? A real run against the simulated run of the same trace.

`darkroom up` with two workers whose engine sleeps by the cost table; jobs at random at a rate that needs batches. Then what
was sent is read back from Kafka and simulated. The two must agree within 10 % on the median latency and on the throughput.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from contracts.codec import encode
from contracts.events import Inputs, Job, Result
from contracts.publish import Publisher
from contracts.records import Record
from contracts.topics import Topics
from darkroom.running import Running
from loadtest.bench.kafka_io import read_until, reader
from loadtest.bench.system import running
from loadtest.crew.noop import catalog_of, write_catalog
from loadtest.simulate.contest import play
from loadtest.simulate.noop import SPEC, noop
from loadtest.simulate.policies import OURS
from loadtest.simulate.record import record
from loadtest.simulate.simulation import Run
from loadtest.simulate.trace import Item, Scenario, write_items
from loadtest.simulate.traces import TIER_SHARE, Draw

WORKERS = 2
AGREE = 0.10
"""Share by which the two may differ."""

WARM_JOBS = 20
"""Sent beforehand, so that workers are there and the model is loaded; left out of what is compared."""

Figures = dict[str, float]


def jobs_of(rate: float, seconds: float, seed: int) -> list[tuple[float, Job]]:
    """Jobs and when they are to be sent (seconds from the start): two sizes, some of several pictures."""
    draw, jobs = Draw("validate", seed), []
    for number, at in enumerate(draw.times(lambda _: rate, rate, seconds)):
        side = draw.pick(((64, 0.7), (128, 0.3)))
        tier = draw.random.choices([one for one, _ in TIER_SHARE], [share for _, share in TIER_SHARE])[0]
        inputs = Inputs(prompt="a flat colour", width=side, height=side, count=draw.pick(((1, 0.8), (2, 0.2))), seed=number)
        jobs.append((at, Job(id=f"v-{number}", tenant=draw.tenant(), task="text-to-image", inputs=inputs, priority=tier)))
    return jobs


async def send(up: Mapping[str, Any], jobs: Sequence[tuple[float, Job]]) -> None:
    """Each at its time, and then wait for all results."""
    topics = Topics()
    async with (
        Publisher(up["bootstrap_servers"]) as publisher,
        reader(up["bootstrap_servers"], topics.results, topics.partitions) as results,
    ):
        done = asyncio.ensure_future(read_until(results, len(jobs), lambda _: None))
        started, waiting = time.monotonic(), []
        for at, job in jobs:
            await asyncio.sleep(started + at - time.monotonic())
            waiting.append(asyncio.ensure_future(publisher.publish([Record(topics.jobs, job.id.encode(), encode(job))])))
        await asyncio.gather(done, *waiting)


def real(rate: float, seconds: float, seed: int) -> tuple[list[Item], list[Result]]:
    """What was sent to a real system, and what came back."""
    warm = [(0.0, msgspec.structs.replace(job, id=f"warm-{at}")) for at, job in jobs_of(200.0, 5.0, seed)[:WARM_JOBS]]
    with tempfile.TemporaryDirectory(prefix="darkroom-validate-") as folder:
        catalog = write_catalog(Path(folder) / "models.toml", catalog_of(SPEC))
        with running(Path(folder) / "data", "--workers", str(WORKERS), "--models", str(catalog)) as up:
            asyncio.run(send(up, warm))
            asyncio.run(send(up, jobs_of(rate, seconds, seed)))
            items, results = asyncio.run(record(msgspec.convert(up, Running)))
    start = items[WARM_JOBS].at
    late = [msgspec.structs.replace(item, at=round(item.at - start, 6)) for item in items[WARM_JOBS:]]
    return late, [one for one in results if not one.id.startswith("warm")]


def scenario_of(items: list[Item]) -> Scenario:
    """The recorded jobs, and the pool that they met."""
    return Scenario(name="recorded", about="recorded from a real run", items=items, models=(noop(),), workers=WORKERS, holds=2)


def figures_of_results(results: Sequence[Result]) -> Figures:
    """Of the real run."""
    timings = [one.timings for one in results if one.timings is not None]
    first, last = min(one.submitted_at for one in timings), max(one.submitted_at + one.total_s for one in timings)
    sizes = [one.batch.size for one in results if one.batch is not None]
    return {
        "p50_s": median(one.total_s for one in timings),
        "jobs_per_s": len(timings) / (last - first),
        "batch": len(sizes) / sum(1 / size for size in sizes),
    }


def figures_of_run(run: Run) -> Figures:
    """Of the simulated run."""
    took = [fate.done_at - item.at for item, fate in zip(run.scenario.items, run.fates, strict=True) if fate.done_at is not None]
    return {"p50_s": median(took), "jobs_per_s": len(took) / run.end_s, "batch": len(took) / run.batches}


def disagreements(one: Figures, other: Figures) -> list[str]:
    """Which of the two figures that count differ by more than `AGREE`."""
    return [name for name in ("p50_s", "jobs_per_s") if abs(other[name] / one[name] - 1) > AGREE]


def main() -> None:
    """Compare. Exit status 1: they do not agree."""
    options = argparse.ArgumentParser(prog="python -m loadtest.simulate.validate", description=__doc__)
    options.add_argument("--rate", type=float, default=12.0, help="jobs/s (default %(default)s)")
    options.add_argument("--seconds", type=float, default=60.0, help="length (default %(default)s)")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000))
    options.add_argument("--keep", type=Path, help="write the recorded trace to this file")
    args = options.parse_args()
    items, results = real(args.rate, args.seconds, args.seed)
    if args.keep:
        write_items(items, args.keep)
    happened, simulated = figures_of_results(results), figures_of_run(play(scenario_of(items), OURS))
    print(f"{len(items)} jobs at {args.rate:g}/s, seed {args.seed}")
    for name, value in happened.items():
        print(f"{name:10} real {value:8.3f}  simulated {simulated[name]:8.3f}  {simulated[name] / value - 1:+.1%}")
    sys.exit(1 if disagreements(happened, simulated) else 0)


if __name__ == "__main__":
    main()
