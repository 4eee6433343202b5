"""The processes of `streams` on topics of their own, what goes into them and what comes out."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from contracts.publish import Publisher
from contracts.records import Record
from contracts.topics import Topics
from infra.settings import Kafka, Models, Settings, Store, to_env
from loadtest.crew.noop import write_catalog
from loadtest.storm.parts import command
from tests.support.bad_jobs import USED
from tests.support.eventually import eventually

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
SESSION_S = 2.0


@dataclass(kw_only=True)
class Part:
    """One process of ours, e.g. `streams.app`; its log goes to a file."""

    module: str
    settings: Settings
    log: Path
    bug: str = ""
    """One of `loadtest.storm.bugs`, planted before it begins."""
    process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Start it, or start it again."""
        env = {**os.environ, **to_env(self.settings)}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command(self.module, self.bug), cwd=ROOT, env=env, stdout=log, stderr=log
            )

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait for its end; returns its exit status."""
        assert self.process
        if number == signal.SIGTERM:  # one that is still starting would not leave in good order
            await eventually(lambda: not self.running or self._catches(number))
        if self.running:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 30)

    def _catches(self, number: signal.Signals) -> bool:
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught, 16) >> (number - 1) & 1)

    async def kill(self) -> None:
        """End it without giving it a chance."""
        await self.end(signal.SIGKILL)


@dataclass(kw_only=True)
class Streams:
    """Topics and processes of one test."""

    settings: Settings
    folder: Path
    publisher: Publisher
    parts: list[Part] = field(default_factory=list)

    @property
    def topics(self) -> Topics:
        """Names of this test's topics."""
        return self.settings.topics

    async def start(self, module: str) -> Part:
        """Start one process."""
        part = Part(module=module, settings=self.settings, log=self.folder / f"{module}-{len(self.parts)}.log")
        self.parts.append(part)
        await part.start()
        return part

    async def send(self, topic: str, events: Iterable[tuple[str, bytes | None]]) -> None:
        """Publish (key, value) pairs."""
        await self.publisher.publish([Record(topic, key.encode(), value) for key, value in events])

    async def read(self, *topics: str, committed_only: bool = True) -> list[Any]:
        """All records there are now, as a reader of finished transactions sees them."""
        consumer = self._reader("read_committed" if committed_only else "read_uncommitted")
        await consumer.start()
        try:
            return await _drain(consumer, self._places(*topics))
        finally:
            await consumer.stop()

    @asynccontextmanager
    async def follow(self, topic: str, kind: type[T]) -> AsyncIterator[list[T]]:
        """The events of a topic from its beginning on, in a list that grows by itself. Cheaper than reading it all again."""
        seen: list[T] = []
        following = asyncio.create_task(self._follow(topic, msgspec.json.Decoder(kind).decode, seen.append))
        try:
            yield seen
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self, topic: str, decode: Callable[[bytes], T], take: Callable[[T], None]) -> None:
        consumer = self._reader("read_committed")
        await consumer.start()
        try:
            consumer.assign(self._places(topic))
            await consumer.seek_to_beginning()
            async for record in consumer:
                take(decode(record.value))
        finally:
            await consumer.stop()

    def _reader(self, level: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka.bootstrap_servers,
            isolation_level=level,
            enable_auto_commit=False,
            fetch_max_wait_ms=50,
        )

    def _places(self, *topics: str) -> list[TopicPartition]:
        counts = {spec.name: spec.partitions for spec in self.topics.specs()}
        return [TopicPartition(one, n) for one in topics for n in range(counts[one])]

    async def committed(self, role: str) -> Mapping[TopicPartition, int]:
        """What the group of this role has committed."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka.bootstrap_servers)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.topics.group(role))
        finally:
            await admin.close()
        return {tp: at.offset for tp, at in offsets.items()}

    async def caught_up(self, topic: str, role: str) -> None:
        """Wait until the group has committed all that is in a topic now."""
        await self.done_with(topic, role, len(await self.read(topic)))

    async def done_with(self, topic: str, role: str, count: int, *, within: float = 90.0) -> None:
        """Wait until the group has committed `count` records of a topic."""

        async def committed() -> bool:
            return sum(at for tp, at in (await self.committed(role)).items() if tp.topic == topic) >= count

        await eventually(committed, within=within, what=f"{role} to commit {count} records of {topic}")


async def _drain(consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> list[Any]:
    consumer.assign(places)
    await consumer.seek_to_beginning(*places)
    ends = await consumer.end_offsets(places)
    found: list[Any] = []
    while any([await consumer.position(place) < ends[place] for place in places]):
        for records in (await consumer.getmany(timeout_ms=100)).values():
            found += records
    return found


@asynccontextmanager
async def streams(bootstrap: str, prefix: str, folder: Path, *, session_s: float = SESSION_S) -> AsyncIterator[Streams]:
    """All topics under a prefix; every process is killed at the end."""
    catalog = write_catalog(folder / "models.toml", USED)
    settings = Settings(
        kafka=Kafka(bootstrap_servers=bootstrap, prefix=f"{prefix}.", batch_partitions=2, session_timeout_s=session_s),
        store=Store(jobs=f"sqlite:///{folder / 'jobs.db'}", objects=f"file://{folder / 'objects'}"),
        models=Models(catalog=str(catalog)),
    )
    await _create(settings)
    async with Publisher(bootstrap) as publisher:
        one = Streams(settings=settings, folder=folder, publisher=publisher)
        try:
            yield one
        finally:
            for part in one.parts:
                if part.running:
                    await part.kill()


async def _create(settings: Settings) -> None:
    specs = settings.topics.specs()
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(s.name, s.partitions, 1, topic_configs=dict(s.config)) for s in specs])
    finally:
        await admin.close()
