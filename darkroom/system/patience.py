"""How often a part may fail before the whole is stopped, and how long to wait before it is started again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

LIMIT = 5
WITHIN_S = 60.0
FIRST_S = 0.2
LONGEST_S = 5.0


class Patience:
    """Counts failures of one part."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: deque[float] = deque()

    def failed(self) -> float | None:
        """Note a failure; seconds to wait before the next start, or None when it is enough."""
        now = self._clock()
        self._failures.append(now)
        while self._failures[0] <= now - WITHIN_S:
            self._failures.popleft()
        count = len(self._failures)
        return None if count >= LIMIT else min(FIRST_S * 2 ** (count - 1), LONGEST_S)
