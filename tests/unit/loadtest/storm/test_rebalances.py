"""What a rebalance cost those who lived through it, from their reports and the runs that counted."""

from __future__ import annotations

import pytest

from contracts.events import BatchInfo, Result, Timings
from contracts.work import WorkerReport
from loadtest.storm.rebalances import REPORT_S, idle, rebalances


def report(worker: str, generation: int, at: float) -> WorkerReport:
    return WorkerReport(worker=worker, pool="default", at=at, generation=generation)


def ran(worker: str, began: float, ended: float) -> Result:
    batch = BatchInfo(id="b", size=1, worker=worker)
    return Result(id="a", tenant="t", state="succeeded", batch=batch, timings=Timings(started_at=began, finished_at=ended))


def test_a_rebalance_lies_between_the_reports_of_two_generations() -> None:
    reports = [report("w", 1, 0.0), report("v", 1, 0.5), report("w", 1, 1.0), report("w", 2, 4.0), report("v", 1, 4.5)]
    (one,) = rebalances(reports)
    assert (one.worker, one.span, one.silent_s) == ("w", (1.0, 4.0), 3.0 - REPORT_S)


def test_whoever_just_came_has_lived_through_nothing() -> None:
    assert list(rebalances([report("w", 7, 0.0)])) == []


@pytest.mark.parametrize(
    ("runs", "free"),
    [
        ([], 3.0),
        ([ran("v", 1.0, 4.0)], 3.0),
        ([ran("w", 0.5, 9.0)], 0.0),
        ([ran("w", 0.5, 1.5), ran("w", 1.4, 2.0), ran("w", 3.0, 3.5), ran("w", 4.0, 5.0)], 1.5),
    ],
)
def test_an_engine_is_idle_where_no_run_of_its_worker_is(runs: list[Result], free: float) -> None:
    several = list(rebalances([report("w", 1, 1.0), report("w", 2, 4.0)]))
    assert list(idle(several, runs)) == pytest.approx([free])
