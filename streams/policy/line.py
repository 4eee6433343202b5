"""One tenant's jobs in one crowd, in the order in which they go."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING, NamedTuple

from streams.policy.timers import SLACK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.policy.shares import Share
    from streams.policy.waiting import Waiting

PATIENCE_S = 60.0
"""A job without a deadline goes as if it had to start within this time of its coming, so that those with one, which go
first when they have to start sooner, do not keep it waiting for ever."""

LAST = 1e12
"""Added to the turn of a job that cannot make its deadline any more."""


StartBy = Callable[["Waiting"], float]
"""When a job with a deadline has to start to be done in time."""


class Place(NamedTuple):
    """Where a job stands in its line."""

    due: float
    """When it has to start; the first goes first."""
    offset: int
    number: int
    """So that two jobs are never compared."""
    job: Waiting


class Line:
    """A heap, and a dictionary that says who is still there: any job leaves in O(1), the next is found in O(log n)."""

    __slots__ = ("_heap", "_jobs", "_pushed", "_start_by", "_sweep_at", "seat", "share")

    def __init__(self, share: Share, start_by: StartBy) -> None:
        self.share = share
        self._start_by = start_by
        self.seat = 0
        """Its place in the crowd; see there."""
        self._jobs: dict[tuple[str, str], Waiting] = {}
        self._heap: list[Place] = []
        self._pushed = 0
        self._sweep_at = 2 * SLACK

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: Waiting) -> bool:
        return self._jobs.get(job.name) is job

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._jobs.values())

    def push(self, job: Waiting) -> None:
        """A job comes."""
        self._jobs[job.name] = job
        self._pushed += 1
        heappush(self._heap, Place(self._due(job), job.offset, self._pushed, job))
        if len(self._heap) >= self._sweep_at:
            self._sweep()

    def remove(self, job: Waiting) -> None:
        """A job goes, out of the middle, too."""
        del self._jobs[job.name]

    def first(self, now: float) -> Place | None:
        """Who is next. Those that cannot make their deadline any more go behind all others, but go: predictions err."""
        heap, jobs = self._heap, self._jobs
        while heap:
            place = heap[0]
            job = place.job
            if jobs.get(job.name) is not job:
                heappop(heap)
            elif job.head.deadline is not None and place.due < LAST and self._start_by(job) < now:
                heapreplace(heap, place._replace(due=place.due + LAST))
            else:
                return place
        return None

    def _due(self, job: Waiting) -> float:
        """When a job has to start: in time for its deadline, or before its tenant's patience ends."""
        head = job.head
        patient = max(job.arrived, head.not_before) + PATIENCE_S
        return patient if head.deadline is None else min(patient, self._start_by(job))

    def _sweep(self) -> None:
        self._heap = list({place.job.name: place for place in self._heap if place.job in self}.values())
        heapify(self._heap)
        self._sweep_at = 2 * (len(self._heap) + SLACK)
