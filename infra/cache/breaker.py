"""Whether it is worth asking a server that may be away. Pure."""

from __future__ import annotations

FAILURES = 3
"""In a row: then nobody asks for a while."""

FIRST_S = 1.0
LONGEST_S = 30.0
"""How long nobody asks (seconds): twice as long after each trial that failed."""


class Breaker:
    """Closed, everybody passes. Open, nobody does. Half open, one may try, and what comes of it decides."""

    def __init__(self) -> None:
        self._failures = 0
        self._shut_until = 0.0
        self._trying = False

    @property
    def open(self) -> bool:
        """Whether it has come to be taken for away."""
        return self._failures >= FAILURES

    def may_pass(self, now: float) -> bool:
        """Whether to ask. Whoever does says how it went."""
        if not self.open:
            return True
        if self._trying or now < self._shut_until:
            return False
        self._trying = True
        return True

    def worked(self) -> None:
        """It answered."""
        self._failures = 0
        self._trying = False

    def failed(self, now: float) -> None:
        """It did not answer, or not in time."""
        self._failures += 1
        self._trying = False
        if self.open:
            pause = FIRST_S * 2.0 ** min(self._failures - FAILURES, 10)
            self._shut_until = now + min(pause, LONGEST_S)
