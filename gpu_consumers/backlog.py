"""What waits for the object store, in order: the spool's parcels and the runs they belong to.

A parcel's file outlives the telling of its outcomes: until its batch is committed, or another worker's, the batch may come
again, and then what the parcel holds is not run again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contracts.metrics import Metrics
from gpu_consumers.flight import Flight
from gpu_consumers.parcel import Parcel, Spot
from gpu_consumers.spool import Slip, Spool, SpoolFull

log = logging.getLogger(__name__)

Expects = Callable[[int, int], bool]
"""Whether the batch at this partition and offset is ours and not committed: it may come to us, or come again."""


@dataclass(kw_only=True, slots=True, eq=False)
class Item:
    """A step of the way to the end of a run."""

    flight: Flight | None
    """The run; None if a former process ran it and the batch did not come again."""
    slip: Slip | None
    """None: no outcomes are left to be told."""
    over: bool
    """After it the run is over."""


class Backlog:
    """First in, first out, so that a partition's batches can be committed in order."""

    def __init__(
        self, spool: Spool, metrics: Metrics, changed: Callable[[], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._spool = spool
        self._metrics = metrics
        self._changed = changed
        self._clock = clock
        self._waiting: deque[Item] = deque()
        self._kept: dict[Spot, list[Item]] = {}
        """Items whose file is there, told or not."""
        self.refused = False
        """There was no room for the last parcel; whoever brought it tries again."""
        self._arrived = asyncio.Event()
        self.empty = asyncio.Event()
        """Set while nothing waits."""
        self.empty.set()
        metrics.spool_age.set_function(self._age)

    async def open(self) -> None:
        """Take up what a former process left. Raises OSError."""
        for slip in await asyncio.to_thread(self._spool.open_now):
            self._append(Item(flight=None, slip=slip, over=False))
        if self._waiting:
            log.info("%d parcels of a worker that is gone wait in the spool", len(self._waiting))

    @property
    def waiting(self) -> int:
        """Items whose outcomes were not told."""
        return len(self._waiting)

    @property
    def runs(self) -> int:
        """Runs in hand that need the engine no more: all that is left of them waits here."""
        return sum(1 for item in self._waiting if item.over and item.flight is not None and not item.flight.lost)

    @property
    def partitions(self) -> list[int]:
        """Of the batches that it has outcomes for."""
        return list(dict.fromkeys(spot.partition for spot in self._kept))

    @property
    def full(self) -> bool:
        """Whether no more batches should be begun: their outputs might find no room."""
        slips = [item.slip for item in self._waiting if item.slip]
        return self.refused or self._spool.full(sum(slip.size for slip in slips), len(slips))

    def claim(self, flight: Flight) -> set[int]:
        """A batch was taken in hand: the places of those jobs that have their outcome here, told or not."""
        kept = self._kept.get(spot_of(flight), [])
        for item in kept:
            item.flight, item.over = flight, False
        return {place for item in kept if item.slip for place in item.slip.places}

    async def add(self, flight: Flight, parcel: Parcel | None, *, over: bool) -> bool:
        """Put what was told of a run behind everything else; False if there is no room for it now."""
        try:
            slip = await self._spool.add(parcel) if parcel else None
        except SpoolFull:
            self._refuse(refused=True)
            return False
        self.refused = False
        self._append(Item(flight=flight, slip=slip, over=over))
        return True

    def relieved(self) -> None:
        """What had no room here went straight to the store."""
        if self.refused:
            self._refuse(refused=False)

    async def first(self) -> Item:
        """The oldest, as soon as there is one. It stays the first until it is told."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting[0]

    async def read(self, slip: Slip) -> Parcel:
        """Raises DamagedParcel and UnreadableParcel."""
        return await self._spool.read(slip)

    def told(self, item: Item) -> None:
        """Its outcomes are durable."""
        self._waiting.remove(item)
        self._note()

    async def drop(self, item: Item) -> None:
        """It is of no use: its file, or an output in it, is damaged."""
        if item.slip and self._let_go(item):
            await self._spool.set_aside(item.slip)

    def leave(self, item: Item) -> None:
        """Its file cannot be read in this life: what it holds is to be run again."""
        if item.slip and self._let_go(item):
            self._spool.leave(item.slip)

    async def sweep(self, expects: Expects) -> None:
        """Let go of what was told of batches that will not come to us again: committed, or another worker's."""
        waits = {item.slip.spot for item in self._waiting if item.slip}
        kept = [(spot, list(items)) for spot, items in self._kept.items()]
        gone = [(spot, items) for spot, items in kept if spot not in waits and not expects(spot.partition, spot.offset)]
        slips = [item.slip for _, items in gone for item in items if item.slip]
        if slips:
            await self._spool.remove(slips)
        # Only now: a sweep that is cancelled before its files are gone leaves them to the next one.
        for spot, items in gone:
            self._forget(spot, items)

    def _forget(self, spot: Spot, items: Sequence[Item]) -> None:
        left = [item for item in self._kept.get(spot, ()) if item not in items]
        if left:
            self._kept[spot] = left
        else:
            self._kept.pop(spot, None)

    def _let_go(self, item: Item) -> bool:
        kept = self._kept.get(item.slip.spot, []) if item.slip else []
        if item not in kept:
            return False
        kept.remove(item)
        return True

    def _append(self, item: Item) -> None:
        self._waiting.append(item)
        if item.slip:
            self._kept.setdefault(item.slip.spot, []).append(item)
        self._arrived.set()
        self._note()

    def _refuse(self, *, refused: bool) -> None:
        self.refused = refused
        self._note()

    def _note(self) -> None:
        if self._waiting:
            self.empty.clear()
        else:
            self.empty.set()
        self._metrics.spool_bytes.set(sum(item.slip.size for item in self._waiting if item.slip))
        self._metrics.spool_full.set(self.full)
        self._changed()

    def _age(self) -> float:
        oldest = next((item.slip.at for item in self._waiting if item.slip), None)
        return 0.0 if oldest is None else max(0.0, self._clock() - oldest)


def spot_of(flight: Flight) -> Spot:
    """The batch of a run."""
    return Spot(flight.partition, flight.offset, flight.batch.id)
