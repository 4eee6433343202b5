"""Whether more was let in than agreed upon."""

from __future__ import annotations

from collections.abc import Sequence

FUZZ = 0.05
"""Jobs: times since the epoch are floats, and a server's clock has microseconds."""


def too_many(starts: Sequence[float], *, per_s: float, burst: float) -> str:
    """Where more than `burst`, and what the rate gives meanwhile, was let in within some stretch of time; nothing if nowhere.

    A bucket from which each job takes one in turn: it runs empty only where a stretch holds too many.
    """
    level, before = burst, min(starts, default=0.0)
    for number, at in enumerate(sorted(starts)):
        level = min(burst, level + (at - before) * per_s) - 1.0
        before = at
        if level < -FUZZ:
            return f"job {number} at {at - min(starts):.6f} s is {-level:.3f} above {per_s}/s with a burst of {burst}"
    return ""
