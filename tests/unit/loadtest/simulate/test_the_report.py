"""What the report says of who won, by how much, and what was missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from loadtest.simulate.measures import Latency, Measures, measure
from loadtest.simulate.policies import OURS, POLICIES
from loadtest.simulate.report import Contest, Report, page, write_report
from loadtest.simulate.simulation import Fate, Run
from loadtest.simulate.trace import Item, Scenario
from loadtest.simulate.traces import Draw
from tests.unit.loadtest.simulate.test_the_simulator_itself import small

if TYPE_CHECKING:
    from pathlib import Path

    from contracts.events import Tier


def _measures(policy: str, value: float, *, ordinary_done: int = 5) -> Measures:
    def tier(done: int) -> Latency:
        return Latency(jobs=10, done=done, in_goal=done / 10, p50_s=1.0 if done else None, p99_s=2.0 if done else None)

    return Measures(
        policy=policy, scale=1.0, value=value, attainment=value, jobs_per_s=1.0, busy=0.5, loading=0.0, padding=0.0, batch=2.0,
        unfairness=0.0, tiers={"paid": tier(10), "ordinary": tier(ordinary_done)}, tenants={"tenant-0": tier(5)},
    )  # fmt: skip


def _contest(seed: int = 1, bound: float = 1.0, *, ordinary_done: int = 5, **values: float) -> Contest:
    all_values = {OURS: 0.95, "fifo": 0.4, "window": 0.6, "buckets": 0.7, "deadline": 0.8} | values
    runs = [_measures(name, all_values[name], ordinary_done=ordinary_done if name == OURS else 5) for name in POLICIES]
    return Contest(
        trace="steady", seed=seed, about="a trace", jobs=10, workers=2, bound=bound, hindsight=0.97, replanned=0.965, runs=runs
    )


def test_the_score_lies_between_the_better_of_the_simple_policies_and_the_bound() -> None:
    assert _contest().score() == pytest.approx((0.95 - 0.6) / (1.0 - 0.6))
    assert _contest(fifo=0.9).score() == pytest.approx(0.5)


def test_there_is_no_score_where_next_to_nothing_lies_between() -> None:
    assert _contest(window=0.985).score() is None


@pytest.mark.parametrize(
    ("contest", "missed"),
    [
        (_contest(darkroom=0.9), "score 0.75, the goal is 0.85"),
        (_contest(deadline=0.99), "deadline has a higher value: 0.990 against 0.950"),
        (_contest(deadline=0.99), "deadline has more jobs in their goals: 99.0% against 95.0%"),
        (_contest(ordinary_done=0), "no ordinary job was done"),
    ],
)
def test_each_goal_that_was_missed_is_named(contest: Contest, missed: str) -> None:
    assert missed in contest.missed()
    assert missed not in _contest().missed()


def test_the_page_tells_median_and_spread_over_seeds() -> None:
    report = Report(
        command="c",
        machine="m",
        contests=[_contest(darkroom=0.96)],
        others=[_contest(2, darkroom=0.92), _contest(3, darkroom=0.96)],
    )
    text = "\n".join(page(report))
    assert "| steady | 0.90 (0.80 to 0.90) | 0.97 (0.86 to 0.97) | 0.970 to 1.000 | 0.965 | 0.960 (0.920 to 0.960) |" in text
    assert "steady, seed 2: score 0.80" in text


def test_what_is_written_reads_back_and_has_its_plots(tmp_path: Path) -> None:
    report = Report(command="c", machine="m", contests=[_contest()])
    write_report(report, tmp_path)
    assert msgspec.json.decode((tmp_path / "simulate.json").read_bytes(), type=Report) == report
    for name in ("simulate-values.png", "simulate-scales.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def _run(*fates: tuple[Tier, float | None]) -> Run:
    """Jobs with a goal of ten seconds that took so long; None: they expired."""
    model, draw = small(1).models[0], Draw("report", 1)
    like = draw.item(0.0, model, small(1).items[0].resolved)
    items: list[Item] = [msgspec.structs.replace(like, tier=tier, goal_s=10.0, tenant="t") for tier, _ in fates]
    scenario = Scenario(name="s", about="", items=items, models=(model,), workers=2)
    return Run(
        policy="p", scenario=scenario, scale=1.0, fates=[Fate(done_at=at) for _, at in fates], end_s=20.0, busy_s=10.0,
        load_s=4.0, asked=3, padded=4, batches=2, late=0,
    )  # fmt: skip


def test_a_jobs_worth_is_its_tiers_and_late_is_worth_nothing() -> None:
    measured = measure(_run(("paid", 9.0), ("urgent", 11.0), ("ordinary", None), ("ordinary", 10.0)))
    assert measured.value == pytest.approx((4 + 1) / (4 + 2 + 1 + 1))
    assert measured.attainment == pytest.approx(0.5)
    assert (measured.busy, measured.loading, measured.padding) == pytest.approx((0.25, 0.1, 0.25))
    assert measured.tiers["ordinary"].done == 1
    assert measured.tiers["urgent"].in_goal == 0.0
