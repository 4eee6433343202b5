"""The verdict on a run with a backlog, and where its figures come from."""

from __future__ import annotations

from loadtest.backlog.load import STEADY
from loadtest.backlog.report import Report, page, report_of
from loadtest.backlog.run import Plan, Story
from loadtest.backlog.watching import Sight

PLAN = Plan(jobs=1000, rate=10.0, pour=100.0, seconds=10.0, batch_s=0.1, cap=8)


def report(*, with_it_s: float = 1.2, runs: int = 1) -> Report:
    """Of a run in which the others' jobs took a second as usual, and so long with the backlog."""
    sight = Sight()
    for name, took, start in (("usual", 1.0, 0.0), ("backlog", with_it_s, 100.0)):
        sight.latencies += [(f"{name}-{n}", STEADY[n % 4], start + n / 100, took) for n in range(100)]
        sight.latencies.append((f"{name}-oak", "oak", start, 99.0))
        sight.batches += [(start + n, 8) for n in range(10)]
        sight.resident += [(start + 1, "streams", 80), (start + 2, "streams", 120), (start + 50, "streams", 900)]
    sight.runs["backlog-1", 1] = runs
    waiting = {"sent": 0, "queue": 1, "overflow": 2, "parked": 3}
    spans = {"warm": (-10.0, 0.0), "usual": (0.0, 10.0), "backlog": (100.0, 110.0)}
    story = Story(sight=sight, spans=spans, waiting=dict.fromkeys(spans, waiting), unread=5, ready_s=7.0)
    return report_of("python -m loadtest.backlog", PLAN, story)


def test_a_third_more_is_kept_and_more_than_half_is_not() -> None:
    assert report(with_it_s=1.3).kept
    assert not report(with_it_s=1.6).kept


def test_a_run_that_was_dispatched_twice_is_not_kept() -> None:
    assert not report(runs=2).kept


def test_each_stretch_has_its_own_figures_and_the_greedy_tenants_jobs_are_not_in_them() -> None:
    usual, backlog = report().stretches
    assert (usual.name, usual.jobs, usual.p99_s, usual.batches_per_s, usual.ran_per_s) == ("usual", 100, 1.0, 1.0, 8.0)
    assert (backlog.p99_s, backlog.worst_p99_s, backlog.resident) == (1.2, 1.2, {"streams": 120})
    assert "p99 × 1.20" in page(report())
