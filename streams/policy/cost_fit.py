"""A straight line through measured runs that a few wild ones do not bend.

Seconds = base + per step × steps + per row-step × row-steps, none of the three below 0: so a prediction never falls when
rows or steps are added. Engines that pad rows to a power of two take as long for five as for eight: such runs follow a line
of their own, in which the rows are the padded ones (`fit_either`).

Runs are weighed by their relative error (a second too much matters more for a short run), and one whose error is far
outside of the others' counts like one at the edge (Huber): of ten runs one may be twenty times too long, and the line moves
by a fraction of the usual scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.policy.cost import Work

Array = npt.NDArray[np.float64]

LEAST_S = 1e-6
"""Nothing takes less (seconds): a prediction of 0 would make a job free."""

ROUNDS = 4
"""Of weighing and fitting again. The weights hardly change after the third."""

EDGE = 1.5
"""Deviations from which on a run is taken for a wild one. At 1.345 Huber's fit of tame runs is 95 % as sharp as least squares."""

LEAST_SCATTER = 0.02
"""Relative: runs that all agree must not make a wild one of a run that is 1 % off."""

CLEARLY = 0.8
"""Times the error of the plain line: a line by padded rows has to be so much better to be believed."""

FAR_OFF = 0.5
"""Relative error of a run that is not looked at more closely."""


class Line(NamedTuple):
    """What a run takes (seconds)."""

    base_s: float
    step_s: float
    row_step_s: float
    padded: bool = False
    """Rows count as the next power of two, for all steps."""

    def seconds(self, work: Work) -> float:
        """Of one batch."""
        row_steps = padded(work.rows) * work.steps if self.padded else work.row_steps
        return max(LEAST_S, self.base_s + self.step_s * work.steps + self.row_step_s * row_steps)

    def scaled(self, factor: float) -> Line:
        """So many times slower."""
        return self._replace(base_s=self.base_s * factor, step_s=self.step_s * factor, row_step_s=self.row_step_s * factor)


class Point(NamedTuple):
    """A run to fit."""

    rows: int
    steps: int
    row_steps: int
    seconds: float
    weight: float


def padded(rows: int) -> int:
    """The next power of two."""
    return 1 << (rows - 1).bit_length() if rows > 1 else rows


def fit_either(measured: Sequence[Point], prior: Sequence[Point], start: Line) -> Line:
    """The line that fits best, by the rows as they were or padded. `prior`: made-up runs, which have no say in that."""
    plain = fit([*measured, *prior], start)
    if all(one.rows == padded(one.rows) for one in measured):
        return plain  # nobody can tell
    stepped = [one._replace(row_steps=padded(one.rows) * one.steps) for one in (*measured, *prior)]
    other = fit(stepped, start)._replace(padded=True)
    return other if _off(other, measured) < CLEARLY * _off(plain, measured) else plain


def _off(line: Line, points: Sequence[Point]) -> float:
    """How far the runs are from the line (weighed mean of relative errors, a wild one counted as one far off)."""
    off = (one.weight * min(FAR_OFF, abs(one.seconds / line.seconds(_work(one)) - 1)) for one in points)
    return sum(off) / sum(one.weight for one in points)


def _work(point: Point) -> Work:
    return Work(0, point.rows, point.steps, point.row_steps)


def fit(points: Sequence[Point], start: Line) -> Line:
    """The line that fits best. `start`: one of about the right height, whatever its slopes."""
    features = np.array([(1.0, one.steps, one.row_steps) for one in points])
    seconds = np.array([one.seconds for one in points])
    weights = np.array([one.weight for one in points])
    line = np.array(start[:3])
    for _ in range(ROUNDS):
        predicted = np.maximum(LEAST_S, features @ line)
        error = seconds / predicted - 1
        edge = EDGE * max(LEAST_SCATTER, 1.4826 * _middle(np.abs(error), weights))
        trust = weights * np.minimum(1.0, edge / np.maximum(np.abs(error), 1e-12))
        line = non_negative(features / predicted[:, None], seconds / predicted, trust)
    base_s, step_s, row_step_s = map(float, line)
    return Line(base_s, step_s, row_step_s)


def _middle(values: Array, weights: Array) -> float:
    """The weighted median."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def non_negative(features: Array, targets: Array, weights: Array) -> Array:
    """Weighted least squares with no coefficient below 0: of the best fits with some left out, the best that has none."""
    weighed = features * weights[:, None]
    left, right = features.T @ weighed, weighed.T @ targets
    count = len(right)
    best, least = np.zeros(count), 0.0
    whole = _solved(left, right)
    if (whole >= 0).all():
        return whole  # nothing has to be left out, so nothing can be better
    for chosen in chain(*(combinations(range(count), size) for size in range(1, count))):
        some, found = list(chosen), np.zeros(count)
        found[some] = _solved(left[np.ix_(some, some)], right[some])
        loss = float(found @ left @ found - 2 * found @ right)
        if (found >= 0).all() and loss < least:
            best, least = found, loss
    return best


def _solved(left: Array, right: Array) -> Array:
    # The columns differ by orders of magnitude, and runs of one size cannot tell them apart: scaled, and a trace of ridge.
    scale = 1 / np.sqrt(np.maximum(left.diagonal(), 1e-300))
    scaled = left * np.outer(scale, scale)
    scaled.flat[:: len(right) + 1] += 1e-9
    solution: Array = scale * np.linalg.solve(scaled, scale * right)
    return solution
