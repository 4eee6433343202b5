"""Forecasts against what was."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from contracts.events import Tier
from streams.policy.eta import Eta


class Told(Struct, frozen=True, kw_only=True):
    """One job."""

    at: float
    tier: Tier
    eta: Eta
    took_s: float
    """From admission to the result."""

    @property
    def held(self) -> bool:
        """Whether it was done within its interval."""
        return self.eta.low_s <= self.took_s <= self.eta.high_s


class Score(Struct, frozen=True, kw_only=True):
    """Of many jobs."""

    jobs: int
    held: float
    """Part of them that was done within the interval; 0.8 is what it says."""
    early: float
    """Part done before its beginning."""
    late: float
    off: float
    """Median of how many times too long or too short the forecast was."""
    wide: float
    """Median of the interval's end over its beginning."""
    ends_s: tuple[float, float]
    """Median and longest time that jobs took (seconds)."""


def score(told: Sequence[Told]) -> Score:
    """All of it."""
    count = len(told)
    off = [max(one.took_s / one.eta.eta_s, one.eta.eta_s / one.took_s) for one in told]
    return Score(
        jobs=count,
        held=sum(one.held for one in told) / count,
        early=sum(one.took_s < one.eta.low_s for one in told) / count,
        late=sum(one.took_s > one.eta.high_s for one in told) / count,
        off=median(off),
        wide=median(one.eta.high_s / one.eta.low_s for one in told),
        ends_s=(median(one.took_s for one in told), max(one.took_s for one in told)),
    )
