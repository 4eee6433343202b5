"""What running jobs costs: the questions that scheduling, admission and the simulator ask, and the records they ask with.

`streams.policy.cost_model.CostModel` answers them.
"""

from __future__ import annotations

from math import ceil, inf
from typing import NamedTuple, Protocol

from msgspec import Struct

from contracts.work import Measured, Ran, Resolved


class Work(NamedTuple):
    """What a batch asks of its engine; `work_of` a job, `plus` its company."""

    pixels: int
    """Width × height, the same for all that share a batch."""
    rows: int
    """Of the widest forward pass: pictures × frames × guidance branches."""
    steps: int
    """Of the job that takes most: so many forward passes."""
    row_steps: int
    """Rows × steps, summed over the jobs: a job leaves the batch after its own last step."""

    def plus(self, other: Work) -> Work:
        """Both in one batch."""
        steps = max(self.steps, other.steps)
        return Work(self.pixels, self.rows + other.rows, steps, self.row_steps + other.row_steps)

    def times(self, jobs: int) -> Work:
        """So many jobs like this one in a batch."""
        return Work(self.pixels, self.rows * jobs, self.steps, self.row_steps * jobs)


class Memory(NamedTuple):
    """What batches of one key take of a device's memory at the peak (bytes), with a margin for what a prediction errs by."""

    model: float
    """With nothing running."""
    base: float
    """Of any batch, on top."""
    row: float
    """Of each row, on top."""

    def of(self, rows: int) -> int:
        """What so many rows take, the model included."""
        return ceil(self.model + self.base + self.row * rows)

    def rows(self, room: float) -> float:
        """How many rows so much memory beside the model has room for."""
        left = room - self.base
        return left / self.row if self.row and left >= 0 else (inf if left >= 0 else 0.0)


class Estimate(NamedTuple):
    """A prediction."""

    seconds: float
    """Of the device, with the model loaded. Above 0."""
    error: float
    """Four of five runs take between seconds ÷ (1 + error) and seconds × (1 + error)."""
    memory_bytes: int | None
    """At the peak, the model included, with a margin; None: nobody measured any."""

    def interval(self) -> tuple[float, float]:
        """Where four of five runs end (seconds)."""
        return self.seconds / (1 + self.error), self.seconds * (1 + self.error)


class Checked(Struct, frozen=True, kw_only=True):
    """A measured run held against what had been predicted of it."""

    ratio: float
    """Seconds measured over seconds predicted."""
    within: bool
    """Whether the run ended within the stated interval."""


class Costs(Protocol):
    """Predicts runs and learns from them. `device`: a device class such as cpu or h200; empty: the model's usual one."""

    def estimate(self, model: str, key: str, work: Work, device: str = "") -> Estimate:
        """A batch of one key, of the model name@version. Never less for more rows or steps."""
        ...

    def load_s(self, model: str, device: str = "") -> float:
        """What it costs to load the model (seconds)."""
        ...

    def memory(self, model: str, key: str, device: str = "") -> Memory | None:
        """What batches of this key take of the device, as measured there or else on others; None: nobody measured any."""
        ...

    def learn(self, run: Ran) -> Checked | None:
        """A worker measured a run. None: not one to judge a prediction by, such as the first after a model was loaded."""
        ...


def work_of(resolved: Resolved) -> Work:
    """What one job asks of an engine."""
    rows = resolved.rows
    return Work(resolved.width * resolved.height, rows, resolved.steps, rows * resolved.steps)


def work_in(run: Ran | Measured) -> Work:
    """What a run took upon itself."""
    return Work(run.pixels if isinstance(run, Ran) else 0, run.rows, run.steps, run.row_steps)


def batch_gain(costs: Costs, model: str, key: str, work: Work, jobs: int, *, device: str = "") -> float:
    """How much faster this many like jobs are in one batch than one after the other; about 1: batching does not pay."""
    together = costs.estimate(model, key, work.times(jobs), device).seconds
    return jobs * costs.estimate(model, key, work, device).seconds / together
