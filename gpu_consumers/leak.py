"""When an engine process has grown so far that a fresh one should take its place. Asked between runs, in that process."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import lru_cache

import psutil
from msgspec import Struct

MIB = 1_048_576
NOISE = 1.1
"""Below this factor a process has not grown: what a batch needs differs from batch to batch."""


class Bounds(Struct, frozen=True, kw_only=True):
    """How large an engine process may become (MiB of resident memory). 0: no bound."""

    memory_mb: int = 0
    growth_mb: int = 0
    """Beyond what it was after its first run with the models it holds."""


@lru_cache(maxsize=1)
def _me() -> psutil.Process:
    return psutil.Process()  # three times the price of a look at it


def resident_mb() -> float:
    """Memory of this process that is in RAM (MiB)."""
    return float(_me().memory_info().rss) / MIB


class LeakGuard:
    """Compares with what was needed after the first run: by then everything is loaded and warm."""

    def __init__(self, bounds: Bounds, *, settle: Callable[[], None], resident: Callable[[], float] = resident_mb) -> None:
        """`settle`: returns when nothing of the last run is held any more."""
        self._bounds = bounds
        self._settle = settle
        self._resident = resident
        self._models: frozenset[str] | None = None
        self._base = 0.0

    def outgrown(self, models: Sequence[str]) -> float:
        """What the process takes (MiB) if that is too much, else 0."""
        if frozenset(models) != self._models:
            self._models, self._base = frozenset(models), self._settled()
            return 0.0
        # Twice, because the first look may count pictures that are still being encoded.
        return self._settled() if self._too_much(self._resident()) and self._too_much(self._settled()) else 0.0

    def _settled(self) -> float:
        self._settle()
        gc.collect()
        return self._resident()

    def _too_much(self, now: float) -> bool:
        bounds = self._bounds
        large = bool(bounds.memory_mb) and now > bounds.memory_mb and now > self._base * NOISE
        return large or (bool(bounds.growth_mb) and now - self._base > bounds.growth_mb)
