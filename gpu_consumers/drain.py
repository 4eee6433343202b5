"""From the spool to the object store, oldest first, and then their outcomes to the rest of the system."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from contracts.work import Outcome
from gpu_consumers.backlog import Backlog, Expects, Item
from gpu_consumers.deliver import Teller
from gpu_consumers.flight import Flight
from gpu_consumers.parcel import DamagedParcel, Parcel
from gpu_consumers.pauses import pauses
from gpu_consumers.ports import DamagedObject, ObjectsUnavailable
from gpu_consumers.upload import Uploader

log = logging.getLogger(__name__)

SWEEP_S = 10.0


class Drain:
    """Empties a backlog. What is in it is told whoever has the batch by now: if somebody was faster, settle drops it."""

    def __init__(self, *, backlog: Backlog, uploader: Uploader, teller: Teller) -> None:
        self._backlog = backlog
        self._uploader = uploader
        self._teller = teller
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """There is little time left: try again at once."""
        self._hurry.set()

    async def serve(
        self, before: Callable[[], Awaitable[None]], done: Callable[[Flight], Awaitable[None]], expects: Expects
    ) -> None:
        """Drain until cancelled; `before` and `done` as for `gpu_consumers.deliver.Delivery.serve`."""
        while True:
            item = await self._backlog.first()
            outcomes = await self._stored(item)
            await before()
            await self._teller.tell(outcomes)
            self._backlog.told(item)
            if item.over and item.flight is not None and not item.flight.lost:
                await done(item.flight)
            await self._backlog.sweep(expects)

    async def sweep(self, expects: Expects) -> None:
        """Now and then let go of files whose batches were committed later, or went to others, until cancelled."""
        while True:
            await self._backlog.sweep(expects)
            await asyncio.sleep(SWEEP_S)

    async def _stored(self, item: Item) -> list[Outcome]:
        if item.slip is None:
            return []
        try:
            parcel = await self._backlog.read(item.slip)
            return parcel.with_urls(await self._patiently(parcel))
        except (DamagedParcel, DamagedObject):
            # Without a flight the batch comes again, to whoever has its partition, and is run again.
            await self._backlog.drop(item)
            flight = item.flight
            return self._teller.damaged(flight, item.slip.places) + flight.unreadable if flight and not flight.lost else []

    async def _patiently(self, parcel: Parcel) -> list[str]:
        for pause in pauses():
            self._hurry.clear()
            try:
                return await self._uploader.store(parcel.objects)
            except ObjectsUnavailable as error:
                log.warning("%d objects stay in the spool (%s), again in %.1f s", len(parcel.objects), error, pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
        raise AssertionError("there is always another pause")
