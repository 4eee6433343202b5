"""What did not fit this worker's device, for its reports. See `streams.policy.memory` for what follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable

from contracts.work import Squeezed

FORGET_S = 3600.0
"""Longer than the limit takes to be what it was."""


class Squeezes:
    """The last time that jobs of each batch key ran out of memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, tuple[float, float]] = {}

    def note(self, key: str, weight: float) -> None:
        """Jobs of this weight did not fit at once."""
        self._last[key] = weight, self._clock()

    def report(self) -> dict[str, Squeezed]:
        """By batch key."""
        now = self._clock()
        self._last = {key: (weight, at) for key, (weight, at) in self._last.items() if now - at < FORGET_S}
        return {key: Squeezed(weight=weight, ago_s=now - at) for key, (weight, at) in self._last.items()}
