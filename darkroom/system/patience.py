"""How often a part may fail before the whole is stopped, and how long to wait before it is started again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

LIMIT = 5
WITHIN_S = 60.0
"""So many ends of a part that was running are one too many."""

STILLBORN = 3
"""So many starts in a row that never became ready are one too many: a bad setting does not get better."""

FIRST_S = 0.2
LONGEST_S = 5.0


class Patience:
    """Counts failures of one part."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: deque[float] = deque()
        self._stillborn = 0

    def failed(self, *, was_ready: bool) -> float | None:
        """Note a failure; seconds to wait before the next start, or None when it is enough."""
        now = self._clock()
        self._ends.append(now)
        while self._ends[0] <= now - WITHIN_S:
            self._ends.popleft()
        self._stillborn = 0 if was_ready else self._stillborn + 1
        if len(self._ends) >= LIMIT or self._stillborn >= STILLBORN:
            return None
        return float(min(FIRST_S * 2 ** (len(self._ends) - 1), LONGEST_S))
