"""A schedule made with hindsight is one that can be had, not better than the best one, and a wrong one is noticed."""

from __future__ import annotations

import msgspec
import pytest

pytest.importorskip("scipy", reason="needs the extra: dev")

from loadtest.simulate.contest import HINDSIGHT, REPLANNED, Table, play
from loadtest.simulate.hindsight import Plan, plan
from loadtest.simulate.lane import Lane
from loadtest.simulate.measures import WEIGHTS, measure
from loadtest.simulate.policies.planned import Forbidden, Planned
from loadtest.simulate.simulation import Simulation, catalog_of
from loadtest.simulate.trace import Scenario
from streams.policy.fill import CatalogCaps
from tests.unit.loadtest.simulate.test_the_bound import SEEDS, few, optimum
from tests.unit.loadtest.simulate.test_the_simulator_itself import small

ROUNDS = 60

Lanes = list[list[list[str]]]
"""Of each worker, of each batch, the ids."""


def crowded() -> Scenario:
    """Too few workers: some are late whatever is done."""
    return msgspec.structs.replace(small(1), workers=1)


def played(scenario: Scenario, batches: Lanes) -> float:
    caps, costs = CatalogCaps(catalog_of(scenario)), Table(catalog_of(scenario))
    contender = Planned(caps, batches)
    return measure(Simulation(scenario, contender, caps, costs, name=HINDSIGHT).run()).value


def planned(scenario: Scenario, found: Plan) -> float:
    return 1 - found.lost() / sum(WEIGHTS[item.tier] for item in scenario.items)


def test_what_was_planned_is_what_happens_and_trying_again_helps() -> None:
    scenario = crowded()
    first, more = plan(scenario, rounds=0), plan(scenario, rounds=ROUNDS)
    assert first.late
    assert planned(scenario, first) < planned(scenario, more)
    for found in (first, more):
        assert played(scenario, found.batches()) == pytest.approx(planned(scenario, found))


def test_who_plans_makes_goals_that_simple_rules_do_not() -> None:
    assert measure(play(crowded(), "fifo")).value < 0.9
    assert planned(crowded(), plan(crowded(), rounds=ROUNDS)) > 0.95
    assert measure(play(crowded(), REPLANNED)).value > 0.95


def _with_time_for_the_way(scenario: Scenario) -> Scenario:
    """Goals are whole seconds there: a quarter of one more lets no other best schedule be."""
    items = [msgspec.structs.replace(item, goal_s=item.goal_s + 0.25) for item in scenario.items]
    return msgspec.structs.replace(scenario, items=items)


def test_it_is_not_above_the_best_schedule_and_not_far_below() -> None:
    found = [measure(play(_with_time_for_the_way(few(seed)), HINDSIGHT)).value for seed in SEEDS]
    best = [optimum(seed) for seed in SEEDS]
    assert all(one <= most + 1e-6 for one, most in zip(found, best, strict=True))
    assert sum(found) > 0.9 * sum(best), (found, best)


def test_a_plan_that_makes_others_late_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lane, "_fits", lambda *_: True)
    scenario = crowded()
    found = plan(scenario, rounds=0)
    assert played(scenario, found.batches()) < planned(scenario, found) - 0.01


def test_a_batch_that_is_too_large_is_not_carried_out() -> None:
    items = [msgspec.structs.replace(item, goal_s=100.0) for item in crowded().items]
    with pytest.raises(Forbidden, match="9 jobs are more"):
        played(msgspec.structs.replace(crowded(), items=items), [[[str(number) for number in range(9)]]])


def test_nobody_runs_where_the_model_is_not_loaded() -> None:
    scenario = msgspec.structs.replace(few(1), workers=2, holding=1)
    lanes = plan(scenario, rounds=0).lanes
    assert {job.model.spec.name for batch in lanes[0].batches for job in batch.jobs} == {"together"}
    assert {job.model.spec.name for batch in lanes[1].batches for job in batch.jobs} == {"alone"}
