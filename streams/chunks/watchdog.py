"""When is a consumer stuck? Pure: what it sees and the time are given to it."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from streams.chunks.ledger import Ledger, Partition

#: A chunk that no agent acknowledges for so long, in a topic that was given no limit of its own, belongs to an agent that failed.
STUCK_AFTER_S = 300.0
#: Records are there, nothing keeps them back, yet none is delivered. Longer than any rebalance, shorter than a night.
STALL_AFTER_S = 60.0


@dataclass(slots=True, frozen=True, kw_only=True)
class Sight:
    """One assigned partition at one moment."""

    partition: Partition
    position: int | None  # the next offset to deliver; None while the broker has not told where to begin
    end: int  # the partition's end at the broker
    held_back: bool  # the window or the agent's queue is full: standing still is right


class Watchdog:
    """Names the first reason to give this process up, or None."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], float],
        stuck_after: Mapping[str, float | None],
        stall_after: float = STALL_AFTER_S,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._stuck_after = stuck_after
        self._stall_after = stall_after
        self._since: dict[Hashable, float] = {}

    def look(self, sights: Sequence[Sight] | None, rebalancing: int | None) -> str | None:
        """Judge; ``sights`` is None when the broker is silent, which is not ours to mend, ``rebalancing`` the one under way."""
        return next(self._unfinished(), None) or self._standstill(sights, rebalancing)

    def _unfinished(self) -> Iterator[str]:
        for delivery in self._ledger.oldest():
            limit = self._stuck_after.get(delivery.partition.topic, STUCK_AFTER_S)
            age = self._clock() - delivery.at
            if limit is not None and age >= limit:
                where = f"{delivery.partition.topic}[{delivery.partition.partition}]"
                yield f"the chunk of {where} that ends before offset {delivery.end} is not acknowledged after {age:.0f} s"

    def _standstill(self, sights: Sequence[Sight] | None, rebalancing: int | None) -> str | None:
        found = dict(self._standing(sights, rebalancing)) if sights is not None else {}
        now = self._clock()
        self._since = {key: self._since.get(key, now) for key in found}
        overdue = (why for key, why in found.items() if now - self._since[key] >= self._stall_after)
        reason = next(overdue, None)
        return reason and f"{reason} since {self._stall_after:.0f} s or more"

    def _standing(self, sights: Sequence[Sight], rebalancing: int | None) -> Iterator[tuple[Hashable, str]]:
        """What does not move. The key holds the value that ought to change: as soon as it does, the wait begins anew."""
        if rebalancing is not None:
            yield ("rebalance", rebalancing), "the same rebalance goes on"
            return
        for s in sights:
            if not s.held_back and s.end > (s.position or 0):
                yield (s.partition, s.position), f"{s.partition.topic}[{s.partition.partition}] has records, none is delivered"
        committed = self._ledger.resume_points()
        for p, offset in self._ledger.committable().items():
            yield ("commit", p, committed.get(p)), f"{p.topic}[{p.partition}] is finished up to {offset} and not committed"
