"""From what the engine process tells to what the rest of the system may know: outputs stored, then outcomes published.

While the store is away, what is told goes into the spool instead, in order, and `gpu_consumers.drain` takes it from there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from contracts.codec import encode
from contracts.events import Output
from contracts.metrics import Metrics
from contracts.records import Publishing, Record
from contracts.topics import Topics
from contracts.work import Outcome
from gpu_consumers import outcome
from gpu_consumers.backlog import Backlog, spot_of
from gpu_consumers.flight import Flight
from gpu_consumers.frames import Told
from gpu_consumers.parcel import Parcel
from gpu_consumers.pauses import pauses
from gpu_consumers.ports import DamagedObject, ObjectsUnavailable
from gpu_consumers.upload import Uploader

log = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""So long storing a run's outputs may take before they go to the spool: a store that hangs is away, too."""

Item = tuple[Flight, Told]


class Teller:
    """Publishes the outcomes of one worker."""

    def __init__(self, worker: str, topics: Topics, publisher: Publishing) -> None:
        self.worker = worker
        self._topic = topics.outcomes
        self._publisher = publisher

    async def tell(self, outcomes: list[Outcome]) -> None:
        """They are durable when this returns.

        All under one key, so to one partition: settle then ends a batch in one transaction instead of one a partition.
        """
        key = outcomes[0].id.encode() if outcomes else None
        await self._publisher.publish([Record(self._topic, key, encode(one)) for one in outcomes])

    def damaged(self, flight: Flight, places: list[int]) -> list[Outcome]:
        """What is told of jobs whose outputs turn out to be unusable."""
        return outcome.unstored(flight, places, time.time(), self.worker)


class Delivery:
    """Delivers what is told, in order. Nothing of a run that was given up gets past it, unless it is in the spool already."""

    def __init__(self, *, teller: Teller, uploader: Uploader, backlog: Backlog, metrics: Metrics) -> None:
        self._teller = teller
        self._uploader = uploader
        self._backlog = backlog
        self._metrics = metrics
        self._told: asyncio.Queue[Item] = asyncio.Queue()

    def put(self, flight: Flight, told: Told) -> None:
        """Queue what was told of a run."""
        self._told.put_nowait((flight, told))

    def claim(self, flight: Flight) -> set[int]:
        """A batch was taken in hand: the places of those jobs that need no run, because their outputs are in the spool."""
        return self._backlog.claim(flight)

    async def serve(
        self, settled: asyncio.Event, before: Callable[[], Awaitable[None]], done: Callable[[Flight], Awaitable[None]]
    ) -> None:
        """Deliver until cancelled: `before` is awaited before outcomes go out, `done` when all those of a run are durable.

        While the group rebalances (`settled` is clear) nobody knows whose a batch is: what is finished waits for that.
        """
        while True:
            flight, told = await self._told.get()
            await settled.wait()
            if flight.lost:
                continue
            parcel = self._parcel(flight, told)
            stored = await self._stored_or_kept(flight, parcel, over=told.over)
            if stored is None:
                continue
            await before()
            await settled.wait()
            if flight.lost:
                await self._uploader.remove(parcel.objects)
                continue
            await self._teller.tell(stored)
            if told.over and not flight.lost:
                await done(flight)

    async def _stored_or_kept(self, flight: Flight, parcel: Parcel, *, over: bool) -> list[Outcome] | None:
        """The outcomes to be told, of outputs that were stored; None if all is in the spool, or nobody's business any more."""
        for pause in pauses():
            stored = None if self._backlog.waiting else await self._stored(flight, parcel)
            if stored is not None:
                self._backlog.relieved()
                return stored
            if flight.lost:
                await self._uploader.remove(parcel.objects)
                return None
            if await self._backlog.add(flight, parcel if parcel.outcomes else None, over=over):
                return None
            await asyncio.sleep(pause)
        raise AssertionError("there is always another pause")

    async def _stored(self, flight: Flight, parcel: Parcel) -> list[Outcome] | None:
        began = time.monotonic()
        try:
            urls = await self._uploader.store(parcel.objects, within_s=PATIENCE_S)
        except ObjectsUnavailable as error:
            log.warning("%d objects go to the spool: %s", len(parcel.objects), error)
            return None
        except DamagedObject:
            log.exception("outputs were damaged on their way here")
            return self._teller.damaged(flight, parcel.places)
        self._metrics.upload_time.observe(time.monotonic() - began)
        return parcel.with_urls(urls)

    def _parcel(self, flight: Flight, told: Told) -> Parcel:
        objects, outputs = self._uploader.name(flight, told.made)
        return Parcel(
            spot=spot_of(flight),
            places=[one.place for one in told.made] + [one.place for one in told.unmade],
            outcomes=self._outcomes(flight, told, outputs),
            objects=objects,
        )

    def _outcomes(self, flight: Flight, told: Told, outputs: list[list[Output]]) -> list[Outcome]:
        worker, now = self._teller.worker, time.time()
        made = [outcome.succeeded(flight, m, o, worker) for m, o in zip(told.made, outputs, strict=True)]
        unreadable = flight.unreadable if told.over else []
        return made + outcome.unmade(flight, told.unmade, now, worker) + unreadable
