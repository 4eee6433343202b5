"""What a batch is predicted to take, and what each of its jobs pays of that."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Protocol

from streams.policy.cost import Costs, Estimate, Work, work_of

if TYPE_CHECKING:
    from streams.policy.waiting import Waiting

PAYS = 0.95
"""A job more has to cost less than this much of what it costs alone, or batching does not pay: what a batch of two saves
then is less than what its first job loses by waiting for the second to end."""

GUESS = 0.5
"""Relative error of a prediction above which it says nothing about whether batching pays, or makes somebody late: only
trying does."""

TOLD_S = 0.05
"""From a batch's last step to the result of its jobs."""

TRIED_AGAIN = 50
"""One in so many batches is filled though it does not pay, or nobody would ever measure that by now it does."""


class Bill(Protocol):
    """One batch, as it is filled."""

    @property
    def seconds(self) -> float:
        """Of the device, so far."""
        ...

    @property
    def least_s(self) -> float:
        """What it takes at least, as far as that can be said."""
        ...

    def add(self, job: Waiting) -> float:
        """A job joins: what the batch takes longer because of it, which is what it pays."""
        ...

    def in_time(self, job: Waiting) -> bool:
        """Whether everybody's deadline is met with this job, too, as far as it could be met at all."""
        ...

    def pays(self) -> bool:
        """Whether another job like the first costs less in its company than alone."""
        ...


class Prices:
    """Every job costs what admission said, in company or alone."""

    least_s = 0.0
    """Nobody knows how long a batch takes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def add(self, job: Waiting) -> float:
        """See `Bill`."""
        self.seconds += job.head.price_s
        return job.head.price_s

    def in_time(self, job: Waiting) -> bool:
        """See `Bill`."""
        del job
        return True

    def pays(self) -> bool:
        """See `Bill`."""
        return True


class Predicted:
    """By the cost model. Who leads pays for the start, and for loading the model if need be; who joins, for what it adds."""

    def __init__(self, costs: Costs, lead: Waiting, device: str, load_s: float, begins: float = 0.0) -> None:
        """`begins`: when the worker can turn to it."""
        self._costs = costs
        self._model, self._key, self._device = lead.head.model, lead.head.batch_key, device
        self._lead = lead
        self._work: Work | None = None
        self._load_s = load_s
        self._begins = begins + TOLD_S
        self._error = 0.0
        self._until = inf
        """When it has to be done for those in it whose deadline can be met."""
        self._next: tuple[Waiting, Work, Estimate] | None = None
        self.seconds = 0.0

    def add(self, job: Waiting) -> float:
        """See `Bill`."""
        _, self._work, estimate = self._with(job)
        before = self.seconds
        self.seconds, self._error = self._load_s + estimate.seconds, estimate.error
        deadline = job.head.deadline
        if deadline is not None and self._begins + self.seconds <= deadline:
            self._until = min(self._until, deadline)
        return self.seconds - before

    def in_time(self, job: Waiting) -> bool:
        """See `Bill`."""
        deadline = job.head.deadline
        until = self._until if deadline is None else min(self._until, deadline)
        if until == inf:
            return True
        run_s, error, _ = self._with(job)[2]
        return self._begins + self._load_s + run_s * (1 + (error if error <= GUESS else 0.0)) <= until

    def _with(self, job: Waiting) -> tuple[Waiting, Work, Estimate]:
        """The batch with this job; remembered, as who is asked about is added next."""
        known = self._next
        if known is None or known[0] is not job:
            more = work_of(job.head.resolved)
            work = more if self._work is None else self._work.plus(more)
            self._next = known = (job, work, self._estimate(work))
        return known

    @property
    def least_s(self) -> float:
        """See `Bill`. Nine runs of ten take longer."""
        return self.seconds / (1 + self._error)

    def pays(self) -> bool:
        """See `Bill`."""
        work = work_of(self._lead.head.resolved)
        alone, error, _ = self._estimate(work)
        if error > GUESS or self._lead.offset % TRIED_AGAIN == 0:
            return True
        return self._estimate(work.times(2))[0] - alone <= PAYS * alone

    def _estimate(self, work: Work) -> Estimate:
        return self._costs.estimate(self._model, self._key, work, self._device)
