"""What rebalances cost the workers that lived through them: how long nobody knew their share, and how long their engine was idle.

A worker says in each report in which generation of the group it is; between the last report of one and the first of the
next lies a rebalance. When its engine was busy is told by the results of its runs, so runs that came to nothing count as idle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from contracts.events import Result
from contracts.work import WorkerReport

REPORT_S = 1.0
"""Workers report so often; a longer silence is time without a known assignment."""

Span = tuple[float, float]
"""Seconds since the epoch, from and to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebalance:
    """One that a worker lived through."""

    worker: str
    span: Span
    """From its last report before to its first after."""

    @property
    def silent_s(self) -> float:
        """What its reports do not explain."""
        return max(0.0, self.span[1] - self.span[0] - REPORT_S)


def rebalances(reports: Iterable[WorkerReport]) -> Iterator[Rebalance]:
    """From reports in the order they came."""
    last: dict[str, WorkerReport] = {}
    for one in reports:
        before = last.get(one.worker, one)
        if one.generation > before.generation:
            yield Rebalance(worker=one.worker, span=(before.at, one.at))
        last[one.worker] = one


def idle(several: Iterable[Rebalance], results: Iterable[Result]) -> Iterator[float]:
    """Of each: seconds in which the worker's engine ran nothing that counted."""
    runs: dict[str, list[Span]] = defaultdict(list)
    for one in results:
        if one.batch and one.timings and one.timings.started_at:
            runs[one.batch.worker].append((one.timings.started_at, one.timings.finished_at))
    for rebalance in several:
        yield _uncovered(rebalance.span, sorted(runs[rebalance.worker]))


def _uncovered(span: Span, covers: Sequence[Span]) -> float:
    at, until = span
    free = 0.0
    for begin, end in covers:
        if begin >= until:
            break
        free += max(0.0, begin - at)
        at = max(at, end)
    return free + max(0.0, until - at)
