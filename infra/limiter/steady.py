"""The time of day as it was when this process began, and what has passed since: nobody sets this clock."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


def steady_clock() -> Clock:
    """Seconds since the Unix epoch, about."""
    ahead = time.time() - time.monotonic()
    return lambda: ahead + time.monotonic()
