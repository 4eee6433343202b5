"""One worker's batches in a plan made with hindsight: what they are, when they begin, and how late they may."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterator, Sequence
from math import inf

from msgspec import Struct

from contracts.work import Resolved
from loadtest.simulate.truth import Model

EDGE_S = 1e-4
"""Nothing is planned so close to a goal that the rounding of floats could decide."""


class Known(Struct, frozen=True, kw_only=True, eq=False):
    """A job of which everything is known."""

    number: int
    """Its place in the trace."""
    key: tuple[str, int, int, int]
    """Who may share a batch: model, width, height, frames."""
    resolved: Resolved
    kind: int
    """Equal for jobs that take equally long."""
    model: Model
    ready: float
    """The first time at which a worker can have it."""
    due: float
    """When its last step has to be over."""
    worth: float
    weight: float
    """Of the largest batch's `limit`."""
    limit: float
    slower: float
    """How many times longer a batch takes that it leads."""
    runs: dict[tuple[int, ...], list[float]]
    """When the jobs of a batch of such kinds end, as far as that was asked: shared by all jobs of a trace."""


class Batch:
    """Jobs that run together; the first leads."""

    __slots__ = ("jobs", "kinds", "latest", "length", "ready", "weight")

    def __init__(self, jobs: Sequence[Known]) -> None:
        self.jobs = jobs
        self.kinds = tuple(job.kind for job in jobs)
        runs, slower = jobs[0].runs, jobs[0].slower
        ends = runs.get(self.kinds)
        if ends is None:
            ends = runs[self.kinds] = jobs[0].model.run([job.resolved for job in jobs])
        self.ready = max(job.ready for job in jobs)
        self.length = max(ends) * slower
        self.latest = min(job.due - end * slower for job, end in zip(jobs, ends, strict=True)) - EDGE_S
        self.weight = sum(job.weight for job in jobs)

    def admits(self, job: Known) -> bool:
        """Whether they may share a batch."""
        return self.jobs[0].key == job.key and self.weight + job.weight <= job.limit


class Place(Struct, frozen=True, kw_only=True):
    """Where a job could go."""

    lane: Lane
    at: int
    joins: bool
    batch: Batch
    """What is there then."""
    takes: float
    """Seconds of the worker."""
    pushes: float
    """Seconds by which what follows begins later."""
    begins: float


class Lane:
    """Batches one after the other, each as soon as it can be."""

    def __init__(self, models: Container[str], free_at: float = 0.0) -> None:
        """`models`: what it has loaded. It loads nothing else. `free_at`: when its first batch may begin."""
        self._models, self._begins_at = models, free_at
        self.batches: list[Batch] = []
        self.begins: list[float] = []
        self.latest: list[float] = []
        """So that neither it nor any after it is late."""

    def copy(self) -> Lane:
        """To go back to."""
        other = Lane(self._models, self._begins_at)
        other.batches, other.begins, other.latest = list(self.batches), list(self.begins), list(self.latest)
        return other

    def places(self, job: Known) -> Iterator[Place]:
        """All in which nobody is late."""
        if job.model.spec.ref not in self._models:
            return
        alone = Batch([job])
        first = max(0, bisect_right(self.begins, job.ready) - 1)
        for at in range(first, bisect_right(self.begins, alone.latest) + 1):
            free_at = self._free_at(at)
            if at < len(self.batches) and self.batches[at].admits(job):
                old = self.batches[at]
                if self._fits(at + 1, max(free_at, job.ready) + old.length):
                    yield from self._place(at, free_at, Batch([*old.jobs, job]), old)
            if self._fits(at, max(free_at, job.ready) + alone.length):
                yield from self._place(at, free_at, alone, None)

    def _fits(self, after: int, ends: float) -> bool:
        return after >= len(self.latest) or ends <= self.latest[after]

    def _place(self, at: int, free_at: float, batch: Batch, old: Batch | None) -> Iterator[Place]:
        after = at if old is None else at + 1
        begins = max(batch.ready, free_at)
        ends = begins + batch.length
        if begins <= batch.latest and self._fits(after, ends):
            pushes = max(0.0, ends - self.begins[after]) if after < len(self.begins) else 0.0
            takes = batch.length - (old.length if old is not None else 0.0)
            yield Place(lane=self, at=at, joins=old is not None, batch=batch, takes=takes, pushes=pushes, begins=begins)

    def put(self, place: Place) -> None:
        """Do it."""
        at = place.at
        if place.joins:
            self.batches[at] = place.batch
        else:
            self.batches.insert(at, place.batch)
            self.begins.insert(at, -inf)
            self.latest.insert(at, -inf)
        self._settle(at, at)

    def clear(self, since: float, until: float) -> list[Known]:
        """Take out the batches that begin in this time."""
        first, last = bisect_right(self.begins, since), bisect_right(self.begins, until)
        jobs = [job for batch in self.batches[first:last] for job in batch.jobs]
        del self.batches[first:last], self.begins[first:last], self.latest[first:last]
        self._settle(first, first - 1)
        return jobs

    def _free_at(self, at: int) -> float:
        return self.begins[at - 1] + self.batches[at - 1].length if at else self._begins_at

    def _settle(self, forward: int, backward: int) -> None:
        """From here on and back, until nothing changes."""
        for at in range(forward, len(self.batches)):
            begins = max(self.batches[at].ready, self._free_at(at))
            if begins == self.begins[at] and at > forward:
                break
            self.begins[at] = begins
        for at in range(min(backward, len(self.batches) - 1), -1, -1):
            batch = self.batches[at]
            after = self.latest[at + 1] - batch.length if at + 1 < len(self.batches) else inf
            latest = min(batch.latest, after)
            if latest == self.latest[at] and at < backward:
                break
            self.latest[at] = latest
