"""Topics for a bench, and records in them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def make_topics(bootstrap: str, partitions: Mapping[str, int]) -> None:
    """Create topics with so many partitions each."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, count, 1) for name, count in partitions.items()])
    finally:
        await admin.close()


async def fill(bootstrap: str, topic: str, count: int, size: int) -> None:
    """Write ``count`` records of ``size`` random bytes."""
    value = os.urandom(size)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer:
        for start in range(0, count, 1000):
            await asyncio.gather(*[await producer.send(topic, value) for _ in range(start, min(start + 1000, count))])
