"""Carries out plans: one made beforehand, and one made anew whenever a worker is free. Played by the rules of the policies."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest

from contracts.work import WorkerReport
from loadtest.simulate.hindsight import Plan
from loadtest.simulate.lane import Batch, Known, Lane
from loadtest.simulate.simulation import Plumbing
from loadtest.simulate.truth import JITTER
from streams.policy.fill import Caps
from streams.policy.timers import Timers
from streams.policy.waiting import Formed, Waiting
from streams.policy.workers import Worker, Workers

LOOK = 50
"""Jobs that are planned at once, those with the first goals: of a burst there are thousands."""

DISPATCH_S = Plumbing().dispatch_s


class Forbidden(Exception):
    """A batch that no scheduler may form."""


class _Here:
    """What both need: the jobs that are here."""

    def __init__(self) -> None:
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

    def sent(self, formed: Formed, offset: int) -> None:
        """See `Contender`."""
        self._workers.sent(formed.partition, offset)


class Planned(_Here):
    """A `Contender`. A batch goes when all of its jobs are here and its worker has room."""

    def __init__(self, caps: Caps, lanes: Iterable[Iterable[Sequence[str]]]) -> None:
        """`lanes`: for each worker, by its number, the ids of each of its batches in their order."""
        super().__init__()
        self._caps = caps
        self._lanes = [deque(lane) for lane in lanes]

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

    def wake_at(self) -> float | None:
        """See `Contender`."""
        return self._ends.next_time()


class Replanned(_Here):
    """A `Contender` that knows what everything takes, but not what comes.

    It knows no turns between tenants, no tiers and no loading of models, and gives up who cannot be in time. So it is no rival;
    it shows what of a loss is the price of not knowing the future.
    """

    def __init__(self, jobs: Mapping[str, Known]) -> None:
        super().__init__()
        self._jobs = jobs
        self._now = 0.0

    def form(self, now: float) -> Formed | None:
        """See `Contender`."""
        self._now = now
        free = self._workers.free(now)
        if not free or not self._here:
            return None
        lanes = {one.name: Lane(one.models(), one.begins(now) + DISPATCH_S) for one in self._workers.all()}
        first = nsmallest(LOOK, (self._jobs[number] for number in self._here), key=lambda job: (job.due, job.number))
        Plan([], list(lanes.values())).add(first)
        for worker in free:
            if lanes[worker.name].batches:
                return self._take(lanes[worker.name].batches[0], worker, now)
        return None

    def _take(self, batch: Batch, worker: Worker, now: float) -> Formed:
        model = batch.jobs[0].model.spec.ref
        partition = self._workers.reserve(worker, model=model, least_s=batch.length / (1 + JITTER), now=now)
        jobs = [self._here.pop(str(job.number)) for job in batch.jobs]
        return Formed(jobs=jobs, worker=worker.name, partition=partition)

    def wake_at(self) -> float | None:
        """See `Contender`."""
        times = (self._ends.next_time(), self._workers.next_free(self._now) if self._here else None)
        return min((at for at in times if at is not None), default=None)
