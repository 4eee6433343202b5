"""`python -m loadtest.cancels`: from a cancel's record on `control` to the job's `cancelled` on `results`, on a real system.

One worker is busy for minutes, so all other jobs wait: queued ones in the scheduler's window, and parked ones of a tenant that
is limited. They are cancelled one after the other, and then many at once. Whoever reads is read_committed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from contracts.catalog import Cost
from contracts.codec import Decoder, encode
from contracts.events import Control, Inputs, Job, Result
from contracts.publish import Publisher
from contracts.records import Record
from contracts.topics import Topics
from loadtest.bench.kafka_io import reader
from loadtest.bench.system import running
from loadtest.crew.noop import NOOP, catalog_of, write_catalog
from loadtest.figures import machine, percentile

BUSY_S = 600.0
"""How long the one job that runs would take; it is cancelled, too, in the end."""

QUEUED, PARKED = "queued", "parked"
TENANTS = f"[tenants.{PARKED}]\njobs_per_s = 0.001\nburst_jobs = 1\nbacklog_jobs = 100000\n"

TOPICS = Topics()
_result = Decoder(Result)


class Results:
    """States of jobs and when they were read."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.read_at: dict[str, float] = {}
        self._news = asyncio.Event()

    async def follow(self, consumer: Any) -> None:
        """For as long as it is let."""
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    result = _result(record.value)
                    self.states[result.id], self.read_at[result.id] = result.state, time.monotonic()
            self._news.set()

    async def wait_for(self, names: Sequence[str]) -> None:
        """Until all of these have ended."""
        while not self.states.keys() >= set(names):
            self._news.clear()
            await self._news.wait()


def _job(name: str, tenant: str) -> Record:
    job = Job(id=name, tenant=tenant, task="text-to-image", inputs=Inputs(prompt="a flat colour"))
    return Record(TOPICS.jobs, name.encode(), encode(job))


def _cancel(name: str, tenant: str) -> Record:
    return Record(TOPICS.control, name.encode(), encode(Control(id=name, tenant=tenant, action="cancel")))


async def _one_by_one(publisher: Publisher, results: Results, tenant: str, names: Sequence[str]) -> list[float]:
    took = []
    for name in names:
        sent = time.monotonic()
        await publisher.publish([_cancel(name, tenant)])
        await results.wait_for([name])
        took.append(results.read_at[name] - sent)
    return sorted(took)


async def _at_once(publisher: Publisher, results: Results, tenant: str, names: Sequence[str]) -> list[float]:
    sent = time.monotonic()
    await publisher.publish([_cancel(name, tenant) for name in names])
    await results.wait_for(names)
    return sorted(results.read_at[name] - sent for name in names)


async def measure(up: Mapping[str, Any], count: int) -> dict[str, list[float]]:
    """Seconds of each cancel, by what was cancelled and how."""
    names = {tenant: [f"{tenant}-{number}" for number in range(2 * count)] for tenant in (QUEUED, PARKED)}
    results, took = Results(), dict[str, list[float]]()
    async with (
        Publisher(up["bootstrap_servers"]) as publisher,
        reader(up["bootstrap_servers"], TOPICS.results, TOPICS.partitions) as consumer,
    ):
        following = asyncio.ensure_future(results.follow(consumer))
        # The first ones keep the worker busy; of the limited tenant's one goes at once.
        for first in (_job("busy-1", "busy"), _job("busy-2", "busy"), _job("busy-3", PARKED)):
            await publisher.publish([first])
            await asyncio.sleep(1)
        for tenant, several in names.items():
            await publisher.publish([_job(name, tenant) for name in several])
        await asyncio.sleep(3)
        for tenant, several in names.items():
            took[f"{tenant}, one by one"] = await _one_by_one(publisher, results, tenant, several[:count])
            took[f"{tenant}, {count} at once"] = await _at_once(publisher, results, tenant, several[count:])
        await _at_once(publisher, results, PARKED, ["busy-3"])
        await _at_once(publisher, results, "busy", ["busy-1", "busy-2"])
        ran = [name for name, state in results.states.items() if state != "cancelled"]
        following.cancel()
    if ran:
        raise SystemExit(f"{len(ran)} jobs ended otherwise: {ran[:5]}")
    return took


def main() -> None:
    """Measure, and print."""
    options = argparse.ArgumentParser(prog="python -m loadtest.cancels", description=__doc__)
    options.add_argument("--count", type=int, default=100, help="cancels of each kind (default %(default)s)")
    args = options.parse_args()
    slow = replace(NOOP, batch_cap=1, options={"base_s": BUSY_S}, cost=Cost(base_s=BUSY_S, per_row_step_s=0.001))
    with tempfile.TemporaryDirectory(prefix="darkroom-cancels-") as folder:
        catalog = write_catalog(Path(folder) / "models.toml", catalog_of(slow))
        tenants = Path(folder) / "tenants.toml"
        tenants.write_text(TENANTS)
        with running(Path(folder) / "data", "--models", str(catalog), env={"DARKROOM_TENANTS_FILE": str(tenants)}) as up:
            took = asyncio.run(measure(up, args.count))
    print(f"{' '.join(['python -m loadtest.cancels', *sys.argv[1:]])} on {machine()}")
    print("| milliseconds | p50 | p90 | p99 | max |\n|---|---|---|---|---|")
    for name, times in took.items():
        figures = (percentile(times, percent) or 0.0 for percent in (50, 90, 99, 100))
        print(f"| {name} | " + " | ".join(f"{1000 * one:.0f}" for one in figures) + " |")


if __name__ == "__main__":
    main()
