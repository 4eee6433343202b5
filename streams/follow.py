"""A topic that every process reads for itself, by no group: each record is handed on, for as long as the process lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from contracts.brokers import Reach
from contracts.codec import Invalid
from streams.reader import reader as new_reader

log = logging.getLogger(__name__)

READ_S = 5.0
"""How long a start waits for what is there already."""

POLL_MS = 500
PAUSE_S = 1.0


class Following:
    """Of a topic with one partition. `take` may raise `Invalid`."""

    def __init__(self, brokers: Reach, topic: str, take: Callable[[Any], None], *, tail: int | None = None) -> None:
        """`tail`: records before the end from which on to read; None: from the beginning."""
        self.read = asyncio.Event()
        """Set once all that was there at the start is read."""
        self._brokers, self._place, self._take, self._tail = brokers, TopicPartition(topic, 0), take, tail
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read; returns when what is there is read, or after `READ_S`."""
        self._task = asyncio.create_task(self._follow(), name=f"follow {self._place.topic}")
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_S):
                await self.read.wait()

    async def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                await self._read_on()
            except (KafkaError, OSError) as error:
                log.warning("%s cannot be read (%s)", self._place.topic, type(error).__name__)
            await asyncio.sleep(PAUSE_S)

    async def _read_on(self) -> None:
        place = self._place
        async with new_reader(self._brokers) as reader:
            reader.assign([place])
            end = (await reader.end_offsets([place]))[place]
            if self._tail is not None:
                reader.seek(place, max(0, end - self._tail))
            while True:
                if await reader.position(place) >= end:
                    self.read.set()
                for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
                    self._hand_on(records)

    def _hand_on(self, records: list[Any]) -> None:
        for record in records:
            try:
                self._take(record)
            except Invalid as error:
                log.warning("record at %s@%d skipped: %s", record.topic, record.offset, error.field)
