"""Eyes on topics while a load run goes on, through every restart of a broker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

log = logging.getLogger(__name__)

AGAIN_S = 0.5
"""Before a broker that does not answer is asked again."""
ASK_S = 20.0
"""How long one question to the brokers may take."""

T = TypeVar("T")
Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen(Generic[T]):
    """A record that was read."""

    partition: int
    offset: int
    at: float
    """When it was read (seconds since the epoch)."""
    value: T


Take = Callable[[str, Seen[bytes]], None]
"""Not a coroutine: a reader that is stopped in the middle of one would read that record again."""


class Watch:
    """Reads whole topics from their beginning, committed records only, each once and in order."""

    def __init__(self, bootstrap: str, topics: Mapping[str, int], take: Take) -> None:
        """`topics`: name to number of partitions. `take` gets each record with its topic."""
        self._bootstrap = bootstrap
        self._take = take
        self.positions = {TopicPartition(name, number): 0 for name, count in topics.items() for number in range(count)}

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read()
            except (KafkaError, OSError) as error:
                log.info("reading stopped (%s), again", type(error).__name__)
                await asyncio.sleep(AGAIN_S)

    async def _read(self) -> None:
        async with reader(self._bootstrap) as consumer:
            consumer.assign(list(self.positions))
            for place, offset in self.positions.items():
                consumer.seek(place, offset)
            while True:
                found = await consumer.getmany(timeout_ms=200)
                now = time.time()
                for place, records in found.items():
                    for one in records:
                        seen = Seen(partition=one.partition, offset=one.offset, at=now, value=one.value)
                        self._take(one.topic, seen)
                        self.positions[place] = one.offset + 1
                for place in self.positions:  # the marks of transactions count as offsets, too
                    self.positions[place] = await consumer.position(place)


@asynccontextmanager
async def reader(bootstrap: str, isolation: str = "read_committed") -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer in no group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level=isolation, enable_auto_commit=False, fetch_max_wait_ms=50
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def ends(bootstrap: str, topics: Mapping[str, int], *, finished: bool = False) -> dict[Place, int]:
    """Where topics end now. `finished`: for readers of finished transactions, whom an open one holds back."""
    level = "read_committed" if finished else "read_uncommitted"
    async with asyncio.timeout(ASK_S), reader(bootstrap, level) as consumer:
        places = [TopicPartition(name, number) for name, count in topics.items() for number in range(count)]
        found = await consumer.end_offsets(places)
    return {(tp.topic, tp.partition): offset for tp, offset in found.items()}


async def committed(bootstrap: str, group: str) -> dict[Place, int]:
    """What a group has committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        async with asyncio.timeout(ASK_S):
            await admin.start()
            found = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {(tp.topic, tp.partition): meta.offset for tp, meta in found.items() if meta.offset >= 0}


async def read_all(bootstrap: str, topic: str, partitions: int) -> list[Seen[bytes]]:
    """Every record that is on a topic now."""
    seen: list[Seen[bytes]] = []

    def take(_: str, one: Seen[bytes]) -> None:
        seen.append(one)

    watch = Watch(bootstrap, {topic: partitions}, take)
    await read_to(watch, await ends(bootstrap, {topic: partitions}, finished=True))
    return seen


async def read_to(watch: Watch, until: Mapping[Place, int]) -> None:
    """Let a watch read up to these offsets."""
    reading = asyncio.ensure_future(watch.run())
    try:
        while any(watch.positions[TopicPartition(*place)] < end for place, end in until.items()):
            if reading.done():
                await reading
            await asyncio.sleep(0.05)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def lag(done: Mapping[Place, int], ends: Mapping[Place, int]) -> dict[Place, int]:
    """Records that a group has yet to finish."""
    return {place: end - done.get(place, 0) for place, end in ends.items()}
