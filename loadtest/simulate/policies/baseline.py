"""What all baselines have in common: who has room, what expires, and the batch that leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from contracts.work import WorkerReport
from streams.policy.fill import Caps
from streams.policy.timers import Timers
from streams.policy.waiting import Formed, Waiting
from streams.policy.workers import Worker, Workers


class Order(Protocol):
    """What makes one baseline differ from another: which jobs wait, and which go next."""

    def add(self, job: Waiting) -> None:
        """It waits."""
        ...

    def drop(self, job: Waiting) -> None:
        """It does not any more."""
        ...

    def next_batch(self, now: float) -> Sequence[Waiting]:
        """What goes next to a worker with room; they still wait. Empty: nothing goes now."""
        ...

    def wake_at(self) -> float | None:
        """When another answer is due though nothing happened."""
        ...


class Baseline:
    """A `Contender` around an `Order`. It gets the same slots, the same reports and the same deadlines as Darkroom does."""

    def __init__(self, caps: Caps, order: Order) -> None:
        self.caps = caps
        self._order = order
        self._workers = Workers()
        self._waiting: dict[tuple[str, str], Waiting] = {}
        self._held: set[Waiting] = set()
        """Retries whose pause is not over."""
        self._starts: Timers[Waiting] = Timers(self._held.__contains__)
        self._ends: Timers[Waiting] = Timers(self._waits)

    def _waits(self, job: Waiting) -> bool:
        return self._waiting.get(job.name) is job

    def arrive(self, job: Waiting, now: float) -> None:
        """See `Contender`."""
        self._waiting[job.name] = job
        if job.head.deadline is not None:
            self._ends.add(job.head.deadline, job)
        if job.head.not_before > now:
            self._held.add(job)
            self._starts.add(job.head.not_before, job)
        else:
            self._order.add(job)

    def report(self, report: WorkerReport, now: float) -> None:
        """See `Contender`."""
        self._workers.report(report, now)

    def ended(self, partition: int, end: int) -> None:
        """See `Contender`."""
        self._workers.ended(partition, end)

    def expire(self, now: float) -> Sequence[Waiting]:
        """See `Contender`."""
        expired = []
        for job in self._ends.pop_due(now):
            self._take_off(job)
            expired.append(job)
        return expired

    def landed(self, jobs: Iterable[Waiting]) -> None:
        """See `Contender`."""

    def form(self, now: float) -> Formed | None:
        """See `Contender`."""
        for job in self._starts.pop_due(now):
            self._held.remove(job)
            self._order.add(job)
        free = self._workers.free(now)
        if not free:
            return None
        jobs = list(self._order.next_batch(now))
        if not jobs:
            return None
        for job in jobs:
            self._take_off(job)
        worker = _best(free, jobs[0].head.model)
        return Formed(jobs=jobs, worker=worker.name, partition=self._workers.reserve(worker))

    def sent(self, formed: Formed, offset: int) -> None:
        """See `Contender`."""
        self._workers.sent(formed.partition, offset)

    def wake_at(self) -> float | None:
        """See `Contender`."""
        times = (self._starts.next_time(), self._ends.next_time(), self._order.wake_at())
        return min((at for at in times if at is not None), default=None)

    def _take_off(self, job: Waiting) -> None:
        del self._waiting[job.name]
        if job in self._held:
            self._held.remove(job)
        else:
            self._order.drop(job)


def _best(free: Iterable[Worker], model: str) -> Worker:
    """An idle one first, then one that used the model last, then who got a batch longest ago: Darkroom's own choice."""
    return min(free, key=lambda one: (one.outstanding, one.warmth[model], one.served, one.name))
