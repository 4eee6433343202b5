"""Which batches a worker has in hand, and how far each partition is done. Pure bookkeeping.

A rebalance takes every partition away for a moment and usually gives the same ones back. What is in hand keeps
running meanwhile, so a partition that comes back is read on after what was taken from it, and only a partition that
went elsewhere gives its batches up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Lane:
    committed: int
    """What the group has stored: where a next owner starts."""
    next: int
    """First offset not taken yet."""
    in_hand: set[int] = field(default_factory=set)

    @property
    def position(self) -> int:
        return min(self.in_hand, default=self.next)


@dataclass(frozen=True, kw_only=True, slots=True)
class Assigned:
    """What follows from an assignment."""

    lost: list[tuple[int, int]]
    """(partition, offset) of batches in hand that are another's now."""
    seek: dict[int, int]
    """Partition to the offset to read on from."""


class Book:
    """Partitions and the batches in hand, by offset. All offsets are of `batches.<pool>`."""

    def __init__(self) -> None:
        self._lanes: dict[int, _Lane] = {}
        self._told = False
        """Whether it was ever said which partitions are ours."""

    @property
    def in_hand(self) -> int:
        """Batches taken and not done."""
        return sum(len(lane.in_hand) for lane in self._lanes.values())

    @property
    def held(self) -> int:
        """Batches that keep their partitions from being committed further: in hand, or done behind one that is."""
        return sum(lane.next - lane.position for lane in self._lanes.values())

    @property
    def owned(self) -> list[int]:
        """Partitions of the last assignment."""
        return sorted(self._lanes)

    @property
    def busy(self) -> list[int]:
        """Partitions to hold on to: those with a batch in hand, or one done and not committed."""
        return sorted(p for p, lane in self._lanes.items() if lane.in_hand or lane.position > lane.committed)

    def assign(self, committed: Mapping[int, int]) -> Assigned:
        """A new assignment: the partitions owned now, each with its committed offset."""
        lost = [(p, o) for p, lane in self._lanes.items() for o in lane.in_hand if o < committed.get(p, o + 1)]
        lanes = {p: self._kept(self._lanes.get(p), start) for p, start in committed.items()}
        self._lanes, self._told = lanes, True
        return Assigned(lost=sorted(lost), seek={p: lane.next for p, lane in lanes.items()})

    @staticmethod
    def _kept(lane: _Lane | None, committed: int) -> _Lane:
        if lane is None:
            return _Lane(committed=committed, next=committed)
        still = {offset for offset in lane.in_hand if offset >= committed}
        return _Lane(committed=committed, next=max(lane.next, committed), in_hand=still)

    def take(self, partition: int, offset: int) -> bool:
        """Note a batch as in hand; False if it is not ours to run, or was taken before."""
        lane = self._lanes.get(partition)
        if lane is None or offset < lane.next:
            return False
        lane.next = offset + 1
        lane.in_hand.add(offset)
        return True

    def holds(self, partition: int, offset: int) -> bool:
        """Whether this batch is in hand."""
        lane = self._lanes.get(partition)
        return lane is not None and offset in lane.in_hand

    def expects(self, partition: int, offset: int) -> bool:
        """Whether this batch is ours and not committed: it is in hand, or to be fetched, or would come again after a kill.

        Before the first assignment any batch may still come.
        """
        if not self._told:
            return True
        lane = self._lanes.get(partition)
        return lane is not None and offset >= lane.committed

    def done(self, partition: int, offset: int) -> None:
        """A batch whose outcomes are all durable."""
        if partition in self._lanes:
            self._lanes[partition].in_hand.discard(offset)

    def to_commit(self) -> dict[int, int]:
        """Partition to the offset that may be committed: never past a batch in hand."""
        return {p: lane.position for p, lane in self._lanes.items() if lane.position > lane.committed}

    def note_committed(self, positions: Mapping[int, int]) -> None:
        """These offsets are stored."""
        for partition, offset in positions.items():
            if partition in self._lanes:
                self._lanes[partition].committed = max(offset, self._lanes[partition].committed)

    def positions(self) -> dict[int, int]:
        """Partition to the first batch not finished there."""
        return {partition: lane.position for partition, lane in sorted(self._lanes.items())}
