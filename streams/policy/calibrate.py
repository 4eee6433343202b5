"""How forecasts turn out: the factors by which what was differs from what was said, by the length of the forecast.

Online quantile tracking (Gibbs and Candès, 2021; the quantile tracker of Angelopoulos and others, 2023): a bound that is
passed too often moves away, one that is passed too seldom moves closer. So each holds as often as it says in the long run,
whatever the load does, without any assumption about how forecasts err.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, inf, log, log2

from contracts.pools import Band

TAIL = 0.1
"""Outside of each bound: the interval holds for 80 %."""

STEP = 0.1
"""How far a bound moves on one forecast, in parts of how far forecasts are off."""

STEP_AT_FIRST = 0.6
"""The same for a band that has seen few: it starts with its neighbour's factors."""

LEAST = 0.02
"""Forecasts are taken to be off by this much at least: a bound that never moves would never come back."""

FADE = 0.97
"""What is left of a band's memory of its errors with each new one."""

SHORTEST = -3
LONGEST = 13
"""Bands in powers of two seconds: an eighth of a second to more than two hours."""

AT_FIRST = Band(low=0.4, middle=1.0, high=2.5)


def band_of(forecast_s: float) -> int:
    """The band that a forecast belongs to."""
    return min(LONGEST, max(SHORTEST, int(log2(forecast_s) // 1))) if forecast_s > 0 else SHORTEST


def band_for(bands: Mapping[int, Band], forecast_s: float) -> tuple[Band, float, float]:
    """The factors for a forecast: its band's, or those of the nearest that knows any; and from where to where they hold."""
    number = band_of(forecast_s)
    found = bands.get(number)
    if found is None and bands:
        found = bands[min(bands, key=lambda one: abs(one - number))]
    start_s, end_s = 0.0 if number == SHORTEST else 2.0**number, inf if number == LONGEST else 2.0 ** (number + 1)
    return found or AT_FIRST, start_s, end_s


class _Tracked:
    """One band's bounds, as logarithms."""

    __slots__ = ("error", "high", "low", "middle", "seen")

    def __init__(self, start: Band) -> None:
        self.low, self.middle, self.high = log(start.low), log(start.middle), log(start.high)
        self.error = (self.high - self.low) / 3
        self.seen = 0

    def learn(self, off: float) -> None:
        self.seen += 1
        self.error = max(LEAST, FADE * self.error + (1 - FADE) * abs(off - self.middle))
        step = self.error * max(STEP, STEP_AT_FIRST / self.seen**0.5)
        self.middle += step * (0.5 if off > self.middle else -0.5)
        self.low += step * (TAIL if off > self.low else TAIL - 1)
        self.high += step * (1 - TAIL if off > self.high else -TAIL)
        self.low, self.high = min(self.low, self.middle), max(self.high, self.middle)

    def told(self) -> Band:
        return Band(low=exp(self.low), middle=exp(self.middle), high=exp(self.high))


class Calibration:
    """All bands."""

    def __init__(self) -> None:
        self._bands: dict[int, _Tracked] = {}

    def learn(self, forecast_s: float, actual_s: float) -> None:
        """A job that was forecast to take so long took so long."""
        number = band_of(forecast_s)
        band = self._bands.get(number)
        if band is None:
            band = self._bands[number] = _Tracked(band_for(self.bands(), forecast_s)[0])
        band.learn(log(max(actual_s, 1e-3) / max(forecast_s, 1e-3)))

    def bands(self) -> dict[int, Band]:
        """What is known."""
        return {number: band.told() for number, band in self._bands.items()}

    def restore(self, bands: dict[int, Band]) -> None:
        """Go on from what another process knew."""
        self._bands = {number: _Tracked(band) for number, band in bands.items()} | self._bands
