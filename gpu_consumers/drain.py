"""From the spool to the object store, oldest first, and then their outcomes to the rest of the system."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from itertools import islice

from contracts.work import Outcome
from gpu_consumers.backlog import Backlog, Expects, Item
from gpu_consumers.deliver import Teller
from gpu_consumers.flight import Flight
from gpu_consumers.parcel import DamagedParcel, Parcel, UnreadableParcel
from gpu_consumers.pauses import pauses
from gpu_consumers.ports import DamagedObject, ObjectsUnavailable
from gpu_consumers.spool import Slip
from gpu_consumers.upload import Uploader

log = logging.getLogger(__name__)

SWEEP_S = 10.0

READ_TRIES = 15
"""About a minute: one file that the disk never gives must not keep all behind it from being told."""


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
            parcel = await self._read(item.slip)
            return parcel.with_urls(await self._patiently(parcel))
        except UnreadableParcel as error:
            log.error("a file in the spool is left there unread: %s", error, extra={"file": item.slip.name})  # noqa: TRY400
            self._backlog.leave(item)
        except (DamagedParcel, DamagedObject):
            await self._backlog.drop(item)
        # Without a flight the batch comes again, to whoever has its partition, and is run again.
        flight = item.flight
        return self._teller.damaged(flight, item.slip.places) + flight.unreadable if flight and not flight.lost else []

    async def _read(self, slip: Slip) -> Parcel:
        for pause in islice(pauses(), READ_TRIES):
            self._hurry.clear()
            try:
                return await self._backlog.read(slip)
            except UnreadableParcel as error:
                log.warning("a file in the spool cannot be read (%s), again in %.1f s", error, pause, extra={"file": slip.name})
            await self._rest(pause)
        return await self._backlog.read(slip)

    async def _patiently(self, parcel: Parcel) -> list[str]:
        for pause in pauses():
            self._hurry.clear()
            try:
                return await self._uploader.store(parcel.objects)
            except ObjectsUnavailable as error:
                log.warning("%d objects stay in the spool (%s), again in %.1f s", len(parcel.objects), error, pause)
            await self._rest(pause)
        raise AssertionError("there is always another pause")

    async def _rest(self, pause: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._hurry.wait()
