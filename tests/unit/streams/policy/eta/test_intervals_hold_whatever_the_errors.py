"""The stated 80 % hold in the long run, however forecasts err; a calibration that does not learn is caught."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import exp, sin

import pytest

from streams.policy.calibrate import AT_FIRST, Calibration, band_for, band_of

Error = Callable[[random.Random, int], float]
"""What was over what was said, of forecast number n."""

ERRORS: dict[str, Error] = {
    "three times too long": lambda draw, _: draw.lognormvariate(-1.1, 0.2),
    "far off both ways": lambda draw, _: draw.lognormvariate(0, 1.5),
    "slowly drifting": lambda draw, n: draw.lognormvariate(1.5 * sin(n / 400), 0.3),
    "worse of a sudden": lambda draw, n: draw.lognormvariate(1.0 if n % 1500 > 750 else 0.0, 0.3),
    "mostly right, sometimes far too short": lambda draw, _: exp(draw.expovariate(1.0)),
}


class Stubborn(Calibration):
    """Learns nothing."""

    def learn(self, forecast_s: float, actual_s: float) -> None:
        pass


def held(calibration: Calibration, error: Error, *, delay: int = 20) -> float:
    """Part of 4,000 forecasts that hold when each is judged 20 forecasts later."""
    draw, results, pending = random.Random(1), [], list[tuple[float, float]]()
    for number in range(4000):
        said = draw.uniform(4, 8)
        was = said * error(draw, number)
        band = band_for(calibration.bands(), said)[0]
        results.append(band.low <= was / said <= band.high)
        pending.append((said, was))
        if len(pending) > delay:
            calibration.learn(*pending.pop(0))
    return sum(results) / len(results)


@pytest.mark.parametrize("name", ERRORS)
def test_four_of_five_hold(name: str) -> None:
    assert 0.75 <= held(Calibration(), ERRORS[name]) <= 0.85


@pytest.mark.parametrize("name", ERRORS)
def test_a_calibration_that_does_not_learn_is_caught(name: str) -> None:
    assert not 0.75 <= held(Stubborn(), ERRORS[name]) <= 0.85


def test_a_band_that_knows_nothing_asks_its_neighbour() -> None:
    calibration = Calibration()
    assert band_for(calibration.bands(), 8.0)[0] == AT_FIRST
    for _ in range(300):
        calibration.learn(8.0, 16.0)
    assert band_for(calibration.bands(), 30.0)[0].middle == pytest.approx(2, rel=0.1)


def test_a_successor_goes_on_with_what_was_known() -> None:
    first, second = Calibration(), Calibration()
    for _ in range(300):
        first.learn(8.0, 16.0)
    second.restore(first.bands())
    assert second.bands()[band_of(8.0)].high == pytest.approx(first.bands()[band_of(8.0)].high)
