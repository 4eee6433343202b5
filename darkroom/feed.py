"""The one background reader of a client: `status` and `results`, from the moment the client starts."""

from __future__ import annotations

import asyncio
import contextlib

from aiokafka.errors import KafkaError

from darkroom.board import Board
from darkroom.place import Place
from darkroom.wire import consumer, reach

ROUND_MS = 1000
"""How long one poll waits for records; nothing is late because of it."""

PAUSE_S = 0.5
"""After an error of Kafka, which is mostly a broker restarting (seconds)."""


class Feed:
    """Reads everything and lets the board pick: a reader for each job would cost more than skipping the others'."""

    def __init__(self, place: Place, board: Board) -> None:
        self._place = place
        self._board = board
        self._reader = consumer(place, place.topics.status, place.topics.results)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Stand at the end of both topics; returns when what is sent from now on cannot be missed."""
        place, reader = self._place, self._reader
        await reach(reader.start(), place)
        ends = await reach(reader.end_offsets(reader.assignment()), place)
        for partition, offset in ends.items():
            reader.seek(partition, offset)
            self._board.seen[partition.topic, partition.partition] = offset
        self._task = asyncio.create_task(self._run(), name="darkroom-feed")

    async def stop(self) -> None:
        """Stop reading."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(KafkaError, OSError):
            await self._reader.stop()

    async def _run(self) -> None:
        while True:
            try:
                await self._round()
            except (KafkaError, OSError):
                await asyncio.sleep(PAUSE_S)

    async def _round(self) -> None:
        for records in (await self._reader.getmany(timeout_ms=ROUND_MS)).values():
            for record in records:
                self._board.tell(record)
            await asyncio.sleep(0)  # A long backlog must not hold up the caller's own work.
