"""How much CPU a job costs a GPU consumer, parent and engine process apart.

    python -m loadtest.gpu_consumer.measure --jobs 40000 --batch 256

Starts a broker and one worker, keeps the worker's slots full as the scheduler would, and prints rates and µs a job.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import msgspec
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from msgspec import Raw

from contracts.codec import encode
from contracts.events import Inputs, Job
from contracts.publish import new_producer, write
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import Batch, QueuedJob, Resolved, WorkerReport
from infra.local.kafka import LocalKafka
from infra.settings import Kafka, Settings, Store, Worker
from loadtest.crew.crew import crew_of


def batch(number: int, size: int) -> bytes:
    """One batch of stand-in jobs."""
    return encode(
        Batch(
            id=f"b{number}",
            pool="default",
            key="noop",
            engine="noop",
            model="noop@1",
            formed_at=time.time(),
            sources=[("ordinary", number * size + n) for n in range(size)],
            jobs=[_queued(f"019a0000-0000-7000-8000-{number:06d}{n:06d}", n) for n in range(size)],
        )
    )


def _queued(id: str, seed: int) -> QueuedJob:
    now = time.time()
    job = Job(id=id, tenant="acme", task="text-to-image", inputs=Inputs(prompt="a red circle left of a blue square " * 4))
    return QueuedJob(
        id=id,
        tenant="acme",
        tier="ordinary",
        pool="default",
        model="noop@1",
        engine="noop",
        batch_key="noop",
        price_s=0.001,
        resolved=Resolved(width=64, height=64, steps=4, guidance=1.0, seed=seed, count=1, frames=1, fps=1),
        source="0@0",
        submitted_at=now,
        admitted_at=now,
        job=Raw(encode(job)),
    )


class Feeder:
    """Writes batches as the worker's reports make room."""

    def __init__(self, producer: AIOKafkaProducer, topics: Topics, work: list[bytes]) -> None:
        self._producer = producer
        self._topic = topics.batches("default")
        self._work = work
        self._ends: dict[int, int] = {}
        self._sent = 0
        self.idle_reports = 0

    async def fill(self, report: WorkerReport) -> None:
        """Fill the worker's free slots."""
        outstanding = sum(self._ends.get(p, 0) - at for p, at in report.positions.items() if p in self._ends)
        if outstanding == 0:
            self.idle_reports += 1
        free = max(0, report.slots - outstanding) if report.positions else 0
        chosen = self._work[self._sent : self._sent + free]
        self._sent += len(chosen)
        partition = min(report.positions, default=0)
        if chosen:
            ends = await write(self._producer, [Record(self._topic, b"", one, partition=partition) for one in chosen])
            self._ends |= {tp.partition: end for tp, end in ends.items()}

    @property
    def done(self) -> bool:
        """Whether all is written."""
        return self._sent >= len(self._work)


async def measure(bootstrap: str, jobs: int, size: int, slots: int, folder: Path) -> None:
    """One run."""
    settings = Settings(
        kafka=Kafka(bootstrap_servers=bootstrap, prefix=f"m{time.time_ns()}."),
        store=Store(objects=f"file://{folder / 'objects'}"),
        worker=Worker(slots=slots, spool=str(folder / "spool")),
    )
    work = [batch(number, size) for number in range(jobs // size)]
    async with crew_of(settings, folder) as crew:
        worker = await crew.join()
        await _drive(bootstrap, settings.topics, work, size, psutil.Process(worker.pid))
        await crew.leave()
        print(f"the worker {worker.ending}")


async def _drive(bootstrap: str, topics: Topics, work: list[bytes], size: int, parent: psutil.Process) -> None:
    reports = AIOKafkaConsumer(topics.workers, bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=20)
    await reports.start()
    async with new_producer(bootstrap) as producer:
        feeder = Feeder(producer, topics, work)
        began, before = 0.0, (0.0, 0.0)
        async for record in reports:
            report = msgspec.json.decode(record.value, type=WorkerReport)
            if not began and report.slots and report.positions:
                began, before = time.monotonic(), _cpu(parent)
            await feeder.fill(report)
            if sum(report.positions.values()) >= len(work):
                break
        took = time.monotonic() - began
    await reports.stop()
    _print(len(work) * size, took, before, _cpu(parent), feeder.idle_reports)


def _cpu(parent: psutil.Process) -> tuple[float, float]:
    child = parent.children()[0].cpu_times()
    own = parent.cpu_times()
    return own.user + own.system, child.user + child.system


def _print(jobs: int, took: float, before: tuple[float, float], after: tuple[float, float], idle: int) -> None:
    parent, child = ((b - a) / jobs * 1e6 for a, b in zip(before, after, strict=True))
    a_core = 1e6 / (parent + child)
    print(f"{jobs} jobs in {took:.2f} s: {jobs / took:,.0f} jobs/s, {idle} reports without work")
    print(
        f"µs of CPU a job: parent {parent:.1f}, engine {child:.1f}, together {parent + child:.1f} = {a_core:,.0f} jobs/s a core"
    )


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=40_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where objects and the broker's log go")
    parser.add_argument("--repeat", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder, LocalKafka(Path(folder) / "kafka") as kafka:
        for _ in range(chosen.repeat):
            asyncio.run(measure(kafka.bootstrap, chosen.jobs, chosen.batch, chosen.slots, Path(folder)))


if __name__ == "__main__":
    main()
