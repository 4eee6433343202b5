"""A consumer that takes its partitions itself. Of a group it only asks what that has committed, and never joins it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer

from contracts.brokers import Reach, client_options


@asynccontextmanager
async def reader(brokers: Reach, group: str | None = None, **options: Any) -> AsyncIterator[Any]:
    """Started, and stopped when the block ends. `options`: of AIOKafkaConsumer; unless told it reads open transactions, too."""
    consumer = AIOKafkaConsumer(
        **client_options(brokers), group_id=group, enable_auto_commit=False, auto_offset_reset="earliest", **options
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()
