"""The client side of a bench on Kafka: send in chunks, count what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.publish import Publisher
from contracts.records import Record

CHUNK = 500


@asynccontextmanager
async def reader(bootstrap: str, topic: str, partitions: int) -> AsyncIterator[AIOKafkaConsumer]:
    """A read_committed consumer of all partitions of a topic, from their present ends."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed", fetch_max_wait_ms=50)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        for one in places:
            await consumer.position(one)  # fixed now, not at the first fetch
        yield consumer
    finally:
        await consumer.stop()


async def read_until(consumer: AIOKafkaConsumer, count: int, take: Callable[[Any], None], timeout_s: float = 600) -> float:
    """Pass `count` records to `take`; the time of the last one (monotonic seconds)."""
    seen = 0
    async with asyncio.timeout(timeout_s):
        while seen < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                seen += len(records)
                for record in records:
                    take(record)
    return time.monotonic()


async def flood(publisher: Publisher, records: Sequence[Record]) -> None:
    """Send everything as fast as acknowledged chunks go, four in flight."""
    gate = asyncio.Semaphore(4)

    async def send(part: Sequence[Record]) -> None:
        async with gate:
            await publisher.publish(part)

    await asyncio.gather(*(send(records[i : i + CHUNK]) for i in range(0, len(records), CHUNK)))


async def pace(send: Callable[[int, int], Awaitable[None]], rate: float, seconds: float, tick_s: float = 0.02) -> None:
    """Open loop: call `send(first, count)` at a steady rate, whatever the answers do."""
    started = time.monotonic()
    sent = 0
    waiting: set[asyncio.Task[None]] = set()
    while (elapsed := time.monotonic() - started) < seconds:
        due = int(elapsed * rate)
        if due > sent:
            waiting.add(asyncio.ensure_future(send(sent, due - sent)))
            sent = due
        await asyncio.sleep(tick_s)
    await asyncio.gather(*waiting)
