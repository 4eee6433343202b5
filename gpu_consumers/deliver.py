"""From what the engine process tells to what the rest of the system may know: outputs stored, then outcomes published."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from contracts.codec import encode
from contracts.events import Output
from contracts.metrics import Metrics
from contracts.records import Publishing, Record
from contracts.topics import Topics
from contracts.work import Outcome
from gpu_consumers import outcome
from gpu_consumers.flight import Flight
from gpu_consumers.frames import Told
from gpu_consumers.upload import Uploader

Item = tuple[Flight, Told]


class Delivery:
    """Delivers what is told, in order. Nothing of a run that was given up gets past it."""

    def __init__(self, *, worker: str, topics: Topics, publisher: Publishing, uploader: Uploader, metrics: Metrics) -> None:
        self._worker = worker
        self._topic = topics.outcomes
        self._publisher = publisher
        self._uploader = uploader
        self._metrics = metrics
        self._told: asyncio.Queue[Item] = asyncio.Queue()

    def put(self, flight: Flight, told: Told) -> None:
        """Queue what was told of a run."""
        self._told.put_nowait((flight, told))

    async def serve(
        self, settled: asyncio.Event, before: Callable[[], Awaitable[None]], done: Callable[[Flight], Awaitable[None]]
    ) -> None:
        """Deliver until cancelled: `before` is awaited before outcomes go out, `done` when all those of a run are durable.

        While the group rebalances (`settled` is clear) nobody knows whose a batch is: what is finished waits for that.
        """
        while True:
            flight, told = await self._told.get()
            if await self._deliver(flight, told, settled, before) and told.over:
                await done(flight)

    async def _deliver(self, flight: Flight, told: Told, settled: asyncio.Event, before: Callable[[], Awaitable[None]]) -> bool:
        await settled.wait()
        if flight.lost:
            return False
        began = time.monotonic()
        outputs = await self._uploader.store(flight, told.made)
        self._metrics.upload_time.observe(time.monotonic() - began)
        await before()
        await settled.wait()
        if flight.lost:
            await self._uploader.remove([output for several in outputs for output in several])
            return False
        outcomes = self._outcomes(flight, told, outputs)
        await self._publisher.publish([Record(self._topic, one.id.encode() or None, encode(one)) for one in outcomes])
        return not flight.lost

    def _outcomes(self, flight: Flight, told: Told, outputs: list[list[Output]]) -> list[Outcome]:
        now = time.time()
        made = [outcome.succeeded(flight, m, o, self._worker) for m, o in zip(told.made, outputs, strict=True)]
        unmade = outcome.unmade(flight, told.unmade, now, self._worker)
        unreadable, flight.unreadable = flight.unreadable, []
        return made + unmade + unreadable
