"""Carries out a plan made beforehand: it is played by the rules by which the policies are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from contracts.work import WorkerReport
from streams.policy.fill import Caps
from streams.policy.timers import Timers
from streams.policy.waiting import Formed, Waiting
from streams.policy.workers import Workers


class Forbidden(Exception):
    """A batch that no scheduler may form."""


class Planned:
    """A `Contender`. A batch goes when all of its jobs are here and its worker has room."""

    def __init__(self, caps: Caps, lanes: Iterable[Iterable[Sequence[str]]]) -> None:
        """`lanes`: for each worker, by its number, the ids of each of its batches in their order."""
        self._caps = caps
        self._lanes = [deque(lane) for lane in lanes]
        self._workers = Workers()
        self._here: dict[str, Waiting] = {}
        self._ends: Timers[Waiting] = Timers(lambda job: job.head.id in self._here)

    def arrive(self, job: Waiting, now: float) -> None:
        """See `Contender`."""
        del now
        self._here[job.head.id] = job
        if job.head.deadline is not None:
            self._ends.add(job.head.deadline, job)

    def report(self, report: WorkerReport, now: float) -> None:
        """See `Contender`."""
        self._workers.report(report, now)

    def ended(self, partition: int, end: int) -> None:
        """See `Contender`."""
        self._workers.ended(partition, end)

    def expire(self, now: float) -> Sequence[Waiting]:
        """See `Contender`."""
        return [self._here.pop(job.head.id) for job in self._ends.pop_due(now)]

    def landed(self, jobs: Iterable[Waiting]) -> None:
        """See `Contender`."""

    def form(self, now: float) -> Formed | None:
        """See `Contender`."""
        for worker in self._workers.free(now):
            lane = self._lanes[worker.owned[0]]
            if lane and all(number in self._here for number in lane[0]):
                jobs = [self._here.pop(number) for number in lane.popleft()]
                self._check(jobs)
                return Formed(jobs=jobs, worker=worker.name, partition=self._workers.reserve(worker))
        return None

    def _check(self, jobs: Sequence[Waiting]) -> None:
        lead = jobs[0]
        if any(job.key != lead.key for job in jobs):
            raise Forbidden(f"jobs of two keys: {lead.key} and another")
        if len(jobs) > 1 and sum(job.weight for job in jobs) > self._caps.limit(lead.head):
            raise Forbidden(f"{len(jobs)} jobs are more than a batch of {lead.key} holds")

    def sent(self, formed: Formed, offset: int) -> None:
        """See `Contender`."""
        self._workers.sent(formed.partition, offset)

    def wake_at(self) -> float | None:
        """See `Contender`."""
        return self._ends.next_time()
