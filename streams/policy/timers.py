"""Times at which something happens to a job that may be gone by then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")

SLACK = 64
"""Entries of gone items that are not worth a sweep."""


class Timers(Generic[T]):
    """A heap of times. What is gone, and doubles, is swept out once that is the majority: memory follows what is alive."""

    def __init__(self, alive: Callable[[T], bool]) -> None:
        self._alive = alive
        self._heap: list[tuple[float, int, T]] = []
        self._added = 0
        self._sweep_at = 2 * SLACK

    def add(self, when: float, item: T) -> None:
        """Have `item` come out of `pop_due` at this time, if it is still alive then."""
        self._added += 1
        heappush(self._heap, (when, self._added, item))
        if len(self._heap) >= self._sweep_at:
            self._sweep()

    def pop_due(self, now: float) -> Iterator[T]:
        """Items whose time has come, earliest first."""
        while self._heap and self._heap[0][0] <= now:
            item = heappop(self._heap)[2]
            if self._alive(item):
                yield item

    def next_time(self) -> float | None:
        """The earliest time at which an item that is still alive comes due."""
        while self._heap and not self._alive(self._heap[0][2]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, until: float) -> T | None:
        """The earliest item whose time comes by then, if it is still alive. It stays."""
        at = self.next_time()
        return self._heap[0][2] if at is not None and at <= until else None

    def drop(self) -> None:
        """Forget the earliest item."""
        heappop(self._heap)

    def _sweep(self) -> None:
        # One that was hidden and shown again is there several times.
        latest_first = sorted(self._heap, key=lambda entry: entry[:2], reverse=True)
        self._heap = list({id(entry[2]): entry for entry in latest_first if self._alive(entry[2])}.values())
        heapify(self._heap)
        self._sweep_at = 2 * (len(self._heap) + SLACK)
