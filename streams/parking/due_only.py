"""A partition in which each record stays until its time: what a lane reads of it is due."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from aiokafka import TopicPartition
from msgspec import Struct

from contracts.codec import Decoder, Invalid


class Look(Struct, frozen=True):
    """The part of a `Parked` that says when."""

    look_at: float


_look = Decoder(Look)


class DueOnly:
    """A consumer of one partition, for a lane. Holds one fetch at most: what is behind that waits in Kafka."""

    def __init__(self, consumer: Any, now: Callable[[], float]) -> None:
        """`now`: the clock that the records' times are on."""
        self._consumer = consumer
        self._now = now
        self._held: deque[tuple[float, Any]] = deque()
        self.committed = consumer.committed
        self.waiting = 0
        """Records that are not due, about."""

    async def getmany(self, partition: TopicPartition, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        """Records that are due, in order; none if none is, after a while."""
        if not self._held:
            fetched = await self._consumer.getmany(partition, timeout_ms=timeout_ms, max_records=max_records)
            self._held.extend((_due(record), record) for record in fetched.get(partition, ()))
        self._count(partition)
        if not self._held:
            return {}
        await asyncio.sleep(min(max(0.0, self._held[0][0] - self._now()), timeout_ms / 1000))
        due, now = [], self._now()
        while self._held and self._held[0][0] <= now:
            due.append(self._held.popleft()[1])
        return {partition: due} if due else {}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from there."""
        self._held.clear()
        self._consumer.seek(partition, offset)

    async def seek_to_beginning(self, partition: TopicPartition) -> None:
        """Read from the first record on."""
        self._held.clear()
        await self._consumer.seek_to_beginning(partition)

    def _count(self, partition: TopicPartition) -> None:
        # Where nothing is held all was read; what may follow are the marks of transactions.
        end = self._consumer.highwater(partition) or 0
        self.waiting = max(0, end - self._held[0][1].offset) if self._held else 0


def _due(record: Any) -> float:
    try:
        return _look(record.value).look_at
    except Invalid:
        return 0.0
