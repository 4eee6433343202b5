"""What one batch key costs on one device class: the last runs of each size, and the line through them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from math import ceil, exp, log
from statistics import median

from contracts.work import LearnedCost, Measured, Ran
from streams.policy.cost import Checked, Estimate, Memory, Work, work_in
from streams.policy.cost_fit import Line, Point, fit_either
from streams.policy.cost_memory import memory_of

KEPT = 12
"""Runs of a size: enough for a median that two wild ones do not move, few enough to forget a slow hour."""

SIZES = 16
"""Sizes (powers of two of row-steps) of which runs are kept; the one not seen for longest goes first."""

HALF_LIFE = 64.0
"""Runs of the key after which one counts half: a size that became rare still tells how cost grows, but no longer how fast
the device is."""

LEAST_WEIGHT = 0.05

PRIOR_WEIGHT = 2.2
"""Of each of three made-up runs that follow the table, over one more than the measured ones: they outvote the first, which
may be a wild one, but not the first two."""

LEAST_PRIOR = 0.1
"""Of each however many were measured: they decide the slopes where all runs are of one size."""

PRIOR_VOTES = 2
"""Runs that the table counts as where the question is how slow the device is altogether: one wild run moves nothing."""

REFIT = 6
"""A new line once one in so many runs is new: the twelfth run of a size changes little, and a fit costs half a millisecond."""

GROWN = 1.1
"""Times the runs: what is known of a key is written often while it is new, and seldom when one run more changes nothing."""

JUDGED = 60
"""Predictions remembered with what came of them, to state the error of the next."""

LEAST_JUDGED = 12
"""Of them are looked at, however few there are."""

COVER = 0.8
"""Of runs that are to end within the stated interval."""

SEED_ERROR = 1.0
"""Of what nobody measured: half to twice."""

LEAST_ERROR = 0.02


class KeyCost:
    """Learns and predicts. `seed`: the table's line, at the height of the model's other keys on this device."""

    def __init__(self, about: Ran | LearnedCost, seed: Line) -> None:
        self.runs = self.judged = self.held = 0
        self._written = 0
        self._about = about
        self.loads: deque[float] = deque(maxlen=KEPT)
        self._seed = self._line = seed
        self._sizes: dict[int, deque[Measured]] = {}
        self._ratios: deque[float] = deque(maxlen=JUDGED)
        self._error = SEED_ERROR
        self.memory: Memory | None = None
        self._fresh = 0
        """Runs since the line was fitted."""

    def estimate(self, work: Work) -> Estimate:
        """A prediction."""
        return Estimate(self._line.seconds(work), self._error, self.memory and self.memory.of(work.rows))

    def learn(self, run: Ran) -> Checked:
        """A run with the model loaded and the shape prepared."""
        told = self.estimate(work_in(run))
        least, most = told.interval()
        ratio = run.seconds / told.seconds
        self._ratios.append(ratio)
        self._keep(_measured(run, self.runs))
        self.runs += 1
        self._fresh += 1
        if self._fresh * REFIT >= sum(map(len, self._sizes.values())):
            self._fit()
        within = least <= run.seconds <= most
        self.judged, self.held = self.judged + 1, self.held + within
        return Checked(ratio=ratio, within=within)

    def start(self, run: Ran) -> list[float]:
        """The first run after a load, or of its shape. Returns what the load cost, with what the run took longer for it."""
        self.runs += 1
        if not run.load_s:
            return []
        usual = self._line.seconds(work_in(run)) if self._ratios else run.seconds
        self.loads.append(run.load_s + max(0.0, run.seconds - usual))
        return [self.loads[-1]]

    @property
    def due(self) -> bool:
        """Whether it knows so much more than was written down that this should be written at once."""
        return self.runs > self._written * GROWN

    def learned(self) -> LearnedCost:
        """All there is to know, to be written down and restored elsewhere."""
        about, self._written = self._about, self.runs
        return LearnedCost(
            model=about.model,
            engine=about.engine,
            device=about.device,
            key=about.key,
            pixels=about.pixels,
            runs=self.runs,
            judged=self.judged,
            held=self.held,
            measured=list(self._all()),
            ratios=[round(one, 4) for one in self._ratios],
            loads=list(self.loads),
        )

    def restore(self, known: LearnedCost) -> None:
        """Go on from there."""
        for one in known.measured:
            self._keep(one)
        self._ratios.extend(one for one in known.ratios if one > 0)
        self.loads.extend(known.loads)
        self.runs, self.judged, self.held = known.runs, known.judged, known.held
        self._written = known.runs
        self._fit()

    def _keep(self, run: Measured) -> None:
        size = run.row_steps.bit_length()
        runs = self._sizes.pop(size, None) or deque[Measured](maxlen=KEPT)
        runs.append(run)
        self._sizes[size] = runs  # to the end: what is first was not seen for longest
        if len(self._sizes) > SIZES:
            del self._sizes[next(iter(self._sizes))]

    def _all(self) -> Iterator[Measured]:
        return (run for runs in self._sizes.values() for run in runs)

    def _fit(self) -> None:
        self._fresh, runs = 0, list(self._all())
        ratios = [run.seconds / self._seed.seconds(work_in(run)) for run in runs]
        start = self._seed.scaled(median([1.0] * PRIOR_VOTES + ratios)) if runs else self._seed
        self._line = fit_either([*map(self._point, runs)], [*_made_up(start, runs)], start) if runs else start
        self._error = _error(self._ratios)
        self.memory = memory_of(runs)

    def _point(self, run: Measured) -> Point:
        weight = max(LEAST_WEIGHT, 0.5 ** ((self.runs - run.number) / HALF_LIFE))
        return Point(run.rows, run.steps, run.row_steps, run.seconds, weight)


def _measured(run: Ran, number: int) -> Measured:
    return Measured(
        number=number,
        rows=run.rows,
        steps=run.steps,
        row_steps=run.row_steps,
        seconds=run.seconds,
        memory_bytes=run.memory_bytes,
        model_bytes=run.model_bytes,
    )


def _made_up(line: Line, runs: Sequence[Measured]) -> Iterator[Point]:
    """Runs that follow the line: the smallest there was with one step, the same with its steps, and eight times its rows."""
    least = min(runs, key=lambda run: run.row_steps)
    steps, row_steps = max(2, least.steps), max(2, least.row_steps)
    weight = max(LEAST_PRIOR, PRIOR_WEIGHT / (1 + len(runs)))
    for some_steps, some_row_steps in ((1, row_steps // steps or 1), (steps, row_steps), (steps, 8 * row_steps)):
        rows = max(1, some_row_steps // some_steps)
        seconds = line.seconds(Work(0, rows, some_steps, some_row_steps))
        yield Point(rows, some_steps, some_row_steps, seconds, weight)


def _error(ratios: Sequence[float]) -> float:
    """So wide that the next run ends within it as often as stated (split conformal prediction)."""
    # The younger half: the first predictions were the table's.
    lately = list(ratios)[-max(LEAST_JUDGED, len(ratios) // 2) :] if len(ratios) < JUDGED else ratios
    off = sorted(abs(log(ratio)) for ratio in lately)
    rank = ceil((len(off) + 1) * COVER)
    if rank > len(off):
        return max(SEED_ERROR, exp(off[-1]) - 1) if off else SEED_ERROR
    return max(LEAST_ERROR, exp(off[rank - 1]) - 1)
