"""GPU consumers as the processes they are, and what they tell the rest of the system."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.codec import encode
from contracts.events import Status
from contracts.publish import Publisher
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import Batch, Outcome, WorkerReport
from infra.settings import Kafka, Models, Settings, Store, Worker, to_env
from tests.support.eventually import eventually
from tests.support.topics import create_topics

START = 180.0
"""Seconds until something is given up that needs a worker to start: it imports a lot, and the machine may be busy."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(kw_only=True)
class WorkerProcess:
    """One running GPU consumer."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        """Of the parent."""
        return self.process.pid

    @property
    def engines(self) -> list[int]:
        """Process ids of its engine processes."""
        try:
            return [child.pid for child in psutil.Process(self.pid).children()]
        except psutil.NoSuchProcess:
            return []

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        """Signal the parent."""
        self.process.send_signal(signal_number)

    async def ended(self, within: float = START) -> int:
        """Wait for its end; returns its exit status."""
        return await asyncio.wait_for(self.process.wait(), within)


@dataclass(kw_only=True)
class Pool:
    """One pool of workers on topics of its own, seen from outside."""

    bootstrap: str
    settings: Settings
    folder: Path
    topics: Topics
    outcomes: list[Outcome] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    reports: list[WorkerReport] = field(default_factory=list)
    workers: list[WorkerProcess] = field(default_factory=list)

    async def start(self, module: str = "gpu_consumers.app", **worker: Any) -> WorkerProcess:
        """Start one more worker."""
        settings = msgspec.structs.replace(self.settings, worker=msgspec.structs.replace(self.settings.worker, **worker))
        log = self.folder / f"worker-{len(self.workers)}.log"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, cwd=ROOT, env={**os.environ, **to_env(settings)}, stderr=stderr
            )
        self.workers.append(WorkerProcess(process=process, log=log))
        return self.workers[-1]

    async def send(self, batches: Sequence[Batch | bytes], partition: int | None = None) -> None:
        """Write batches, round robin over the partitions or to one."""
        async with Publisher(self.bootstrap) as publisher:
            spread = self.settings.kafka.batch_partitions
            records = [
                Record(
                    self.topics.batches("default"),
                    b"",
                    one if isinstance(one, bytes) else encode(one),
                    partition=number % spread if partition is None else partition,
                )
                for number, one in enumerate(batches)
            ]
            await publisher.publish(records)

    async def committed(self) -> dict[int, int]:
        """Partition of the batches topic to what the group has committed there."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.topics.group("gpu.default"))
        finally:
            await admin.close()
        return {tp.partition: at.offset for tp, at in offsets.items() if at.offset >= 0}

    async def ends(self, topic: str, partitions: int) -> dict[int, int]:
        """Partition to the offset after the last record."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        await consumer.start()
        try:
            ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(partitions)])
        finally:
            await consumer.stop()
        return {tp.partition: end for tp, end in ends.items()}

    async def all_seen(self) -> None:
        """Wait until every outcome that is on the topic now has been read here."""
        ends = await self.ends(self.topics.outcomes, 4)
        await eventually(lambda: len(self.outcomes) >= sum(ends.values()), what="every outcome read")

    def starts(self) -> Counter[str]:
        """How often each job was told to have begun."""
        return Counter(one.id for one in self.statuses if one.state == "running" and one.step == 0)

    async def more_than(self, count: int) -> None:
        """Wait until more outcomes than this were read."""
        await eventually(lambda: len(self.outcomes) > count, within=START, what=f"more than {count} outcomes")

    async def begun(self, id: str) -> None:
        """Wait until a job runs."""
        await eventually(lambda: id in self.starts(), within=START, what=f"the start of {id}")

    def states(self) -> dict[str, set[str]]:
        """Job id to the states told of it."""
        found: dict[str, set[str]] = {}
        for one in self.outcomes:
            found.setdefault(one.id, set()).add(one.state)
        return found

    def copies(self) -> Counter[str]:
        """Outcomes per job."""
        return Counter(one.id for one in self.outcomes)

    async def all_told(self, ids: set[str], within: float = START) -> None:
        """Wait until each of these jobs has an outcome."""
        await eventually(lambda: ids <= self.states().keys(), within=within, what=f"an outcome for each of {len(ids)} jobs")

    async def at_work(self, count: int = 1, within: float = START) -> None:
        """Wait until so many workers share all partitions."""

        def shared() -> bool:
            last = {one.worker: one for one in self.reports}
            live = [one for one in last.values() if not one.leaving and one.slots]
            newest = max((one.generation for one in live), default=0)
            now = [one for one in live if one.generation == newest]
            return len(now) == count and sum(len(one.positions) for one in now) == self.settings.kafka.batch_partitions

        await eventually(shared, within=within, what=f"{count} workers at work")


@asynccontextmanager
async def pool(
    bootstrap: str, prefix: str, folder: Path, catalog: Path, *, partitions: int = 4, session_s: float = 2.0, **worker: Any
) -> AsyncIterator[Pool]:
    """Topics, and eyes on what the workers write; all workers are killed at the end."""
    settings = Settings(
        kafka=Kafka(bootstrap_servers=bootstrap, prefix=f"{prefix}.", batch_partitions=partitions, session_timeout_s=session_s),
        store=Store(jobs=f"sqlite:///{folder / 'jobs.db'}", objects=f"file://{folder / 'objects'}"),
        models=Models(catalog=str(catalog)),
        worker=Worker(**{"spool": str(folder / "spool"), **worker}),
    )
    topics = settings.topics
    await create_topics(bootstrap, {spec.name: spec.partitions for spec in topics.specs()}, {"max.message.bytes": "16777216"})
    one = Pool(bootstrap=bootstrap, settings=settings, topics=topics, folder=folder)
    watchers = [
        asyncio.create_task(_watch(bootstrap, topics.outcomes, 4, Outcome, one.outcomes)),
        asyncio.create_task(_watch(bootstrap, topics.status, 4, Status, one.statuses)),
        asyncio.create_task(_watch(bootstrap, topics.workers, 1, WorkerReport, one.reports)),
    ]
    try:
        yield one
    finally:
        for worker_process in one.workers:
            if worker_process.process.returncode is None:
                worker_process.kill()
                await worker_process.ended()
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)


async def _watch(bootstrap: str, topic: str, partitions: int, kind: type[Any], into: list[Any]) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        async for record in consumer:
            into.append(msgspec.json.decode(record.value, type=kind))  # noqa: PERF401 - endless
    finally:
        await consumer.stop()
