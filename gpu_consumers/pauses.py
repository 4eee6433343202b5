"""How long to wait before a store is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import chain, repeat

RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""The last one repeats."""


def pauses(chance: Callable[[], float] = random.random) -> Iterator[float]:
    """Seconds, without end: growing, and each drawn from half to one and a half of its size, so that workers spread out."""
    for pause in chain(RETRY_S, repeat(RETRY_S[-1])):
        yield pause * (0.5 + chance())
