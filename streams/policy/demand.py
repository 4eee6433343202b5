"""What waits, by the time at which it has to have started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from contracts.events import TIERS, Tier

if TYPE_CHECKING:
    from streams.policy.waiting import Waiting

WAY_S = 0.15
"""From the decision to the worker, with what still runs there, and from the last step to the result."""

RESERVE: Mapping[Tier, float] = {"paid": 0.5, "urgent": 0.25, "ordinary": 0.0}
"""Of the time that a job could wait: what it never waits for less important ones, as more of its own tier may come."""

STEP_S = 0.1
"""Times are told apart by this."""

FAR_S = 60.0
"""What has to start later than this is looked at when its time comes: a look costs the same whatever waits."""


def start_by(job: Waiting, stretch: float = 1.0) -> float:
    """When a job with a deadline has to start to be done by then, if its run takes so many times what it takes alone."""
    head = job.head
    if head.deadline is None:
        raise ValueError("a job without a deadline may start at any time")
    return head.deadline - head.price_s * max(1.0, stretch) - WAY_S


def due(job: Waiting) -> float:
    """When it is to start at the latest: with its tier's reserve."""
    came = job.head.submitted_at
    return came + (start_by(job) - came) * (1 - RESERVE[job.tier])


class Demand:
    """Work (GPU-seconds, each job run alone) by when it is due."""

    def __init__(self) -> None:
        self.undated = dict.fromkeys(TIERS, 0)
        """Jobs without a deadline."""
        self._steps: dict[int, float] = {}

    def count(self, job: Waiting, sign: int) -> None:
        """A job comes (1) or goes (-1)."""
        if job.head.deadline is None:
            self.undated[job.tier] += sign
            return
        step = int(due(job) / STEP_S)
        work_s = self._steps.get(step, 0.0) + sign * job.head.price_s
        if work_s > 1e-9:  # sums of floats drift
            self._steps[step] = work_s
        else:
            self._steps.pop(step, None)

    def dated(self) -> Sequence[Tier]:
        """The tiers that may go by when their jobs are due: a job without a deadline waits for nobody's but those before it."""
        undated = (place for place, tier in enumerate(TIERS) if self.undated[tier])
        return TIERS[: next(undated, len(TIERS))]

    def presses(self, now: float, until: float) -> bool:
        """Whether anything that still can be in time is due by then."""
        return any(step in self._steps for step in _steps(now, until))

    def can_be_met(self, now: float, *, workers: int, gain: float, begun_s: float) -> bool:
        """Whether all is started in time if what is due first goes first.

        That is so if no more is due by any time than the workers can do by then (Jackson's rule of 1955, for many machines).
        `gain`: what a job takes in company of what it takes alone. `begun_s`: work that may have begun by the time and go on.
        """
        work_s = 0.0
        for step in _steps(now, now + FAR_S):
            work_s += self._steps.get(step, 0.0) * gain
            if work_s > workers * ((step + 1) * STEP_S - now + begun_s):
                return False
        return True


def _steps(now: float, until: float) -> range:
    return range(int(now / STEP_S), int(min(until, now + FAR_S) / STEP_S) + 1)
