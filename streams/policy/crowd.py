"""Jobs of all tenants that wait for the same thing, a model or a batch key, in one tier: whose turn it is among them."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING

from streams.policy.line import Line, StartBy
from streams.policy.timers import SLACK, Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.policy.shares import Share
    from streams.policy.waiting import Waiting


class Crowd:
    """A heap of lines by what their tenants have had.

    A tenant waits in several crowds and is charged in one place, so the other heaps learn of it when they come to it: what
    was spent only grows, except where it is given back, and that is said (`again`).
    """

    __slots__ = ("_heap", "_lines", "_pressing", "_seats", "_start_by", "_sweep_at")

    def __init__(self, start_by: StartBy) -> None:
        self._start_by = start_by
        self._lines: dict[str, Line] = {}
        self._heap: list[tuple[float, int, Line]] = []
        self._seats = 0
        self._sweep_at = 2 * SLACK
        self._pressing: Timers[Waiting] = Timers(self.__contains__)

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __contains__(self, job: Waiting) -> bool:
        line = self._lines.get(job.head.tenant)
        return line is not None and job in line

    def __iter__(self) -> Iterator[Waiting]:
        """All of them, in no particular order."""
        return (job for line in self._lines.values() for job in line)

    def push(self, job: Waiting, share: Share) -> bool:
        """A job comes. Whether it is its tenant's first here."""
        line = self._lines.get(share.tenant)
        first = line is None
        if line is None:
            line = self._lines[share.tenant] = Line(share, self._start_by)
            self._seat(line)
        line.push(job)
        if job.head.deadline is not None:
            self._pressing.add(self._start_by(job), job)
        return first

    def remove(self, job: Waiting) -> bool:
        """A job goes. Whether it was its tenant's last here."""
        line = self._lines[job.head.tenant]
        line.remove(job)
        if line:
            return False
        del self._lines[job.head.tenant]
        line.seat = -1
        return True

    def front(self) -> Line | None:
        """The jobs of the tenant whose turn it is; of two who had the same, of the one who sat down first."""
        heap = self._heap
        while heap:
            spent, seat, line = heap[0]
            if seat != line.seat:
                heappop(heap)
            elif spent < line.share.spent:
                self._seats += 1
                line.seat = self._seats
                heapreplace(heap, (line.share.spent, line.seat, line))
            else:
                return line
        return None

    def pressing(self, now: float, until: float, may_run: Callable[[Share], bool]) -> Waiting | None:
        """The job that has to start soonest, if it has to before `until` and can; it stays.

        One whose tenant is too far ahead waits for its turn like all others from then on: by the time that its tenant is not
        ahead any more, its turn has nearly come.
        """
        while (job := self._pressing.due(until)) is not None:
            if self._start_by(job) >= now and may_run(self._lines[job.head.tenant].share):
                return job
            self._pressing.drop()
        return None

    def again(self, tenant: str) -> None:
        """Something was given back to this tenant."""
        line = self._lines.get(tenant)
        if line is not None:
            self._seat(line)

    def _seat(self, line: Line) -> None:
        self._seats += 1
        line.seat = self._seats
        heappush(self._heap, (line.share.spent, line.seat, line))
        if len(self._heap) >= self._sweep_at:
            self._heap = [entry for entry in self._heap if entry[1] == entry[2].seat]
            heapify(self._heap)
            self._sweep_at = 2 * (len(self._heap) + SLACK)
