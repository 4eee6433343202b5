"""Simulated time: things that happen at times, in order."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Clock:
    """Jumps from one event to the next. Events of one time happen in the order in which they were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._asked = 0

    def at(self, when: float, event: Callable[[], None]) -> None:
        """Have this happen then; at once if that is past."""
        self._asked += 1
        heappush(self._events, (max(when, self.now), self._asked, event))

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Have this happen that much later."""
        self.at(self.now + seconds, event)

    def next_moment(self) -> bool:
        """Let all happen that is due at the next time; False if nothing is left."""
        if not self._events:
            return False
        self.now = self._events[0][0]
        while self._events and self._events[0][0] <= self.now:
            heappop(self._events)[2]()
        return True
