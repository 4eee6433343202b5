"""No policy is better than the bounds, the exact one is not above the linear one, and a wrong one is noticed."""

from __future__ import annotations

import functools
import random

import msgspec
import pytest

pytest.importorskip("scipy", reason="needs the extra: dev")

from loadtest.simulate import bound as linear
from loadtest.simulate.contest import Table
from loadtest.simulate.exact import best
from loadtest.simulate.fleet import asked, turbo
from loadtest.simulate.measures import measure
from loadtest.simulate.policies import POLICIES
from loadtest.simulate.simulation import Plumbing, Simulation, catalog_of
from loadtest.simulate.trace import Item, Scenario
from loadtest.simulate.traces import TIER_SHARE
from loadtest.simulate.truth import Model
from streams.policy.fill import CatalogCaps


def model(name: str, floor_s: float, row_s: float) -> Model:
    """One step a job, without guidance; nothing before and after it."""
    one = turbo()
    spec = msgspec.structs.replace(one.spec, name=name, steps=1, batch_cap=4)
    return msgspec.structs.replace(one, spec=spec, floor_s=floor_s, row_s=row_s, start_s=0.0, picture_s=0.0)


def few(seed: int, jobs: int = 16) -> Scenario:
    """A model whose batches take 3 s whatever their size, and one whose batches take as long as their jobs; whole seconds."""
    chance = random.Random(seed)
    models = (model("together", 3.0, 1e-9), model("alone", 1e-9, 1.0))
    items = []
    for at in sorted(chance.randrange(8) for _ in range(jobs)):
        one, tier = chance.choice(models), chance.choice(TIER_SHARE)[0]
        items.append(
            Item(at=at, tenant="a", tier=tier, model=one.spec.ref, resolved=asked(one), goal_s=float(chance.randrange(3, 7)))
        )
    return Scenario(name="few", about="", items=items, models=models, workers=1, holds=2, holding=2, seed=seed)


def value(scenario: Scenario, policy: str) -> float:
    nothing = Plumbing(admit_s=0.0, dispatch_s=0.0, report_s=0.0, settle_s=0.0)
    caps, costs = CatalogCaps(catalog_of(scenario)), Table(catalog_of(scenario))
    contender = POLICIES[policy](caps, costs)
    run = Simulation(scenario, contender, caps, costs, name=policy, plumbing=nothing, jitter=0.0).run()
    return measure(run).value


SEEDS = range(6)


@functools.cache
def optimum(seed: int) -> float:
    return best(few(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_policy_beats_the_best_schedule_which_does_not_beat_the_linear_bound(seed: int) -> None:
    scenario = few(seed)
    most = optimum(seed)
    assert most <= linear.bound(scenario, slot_s=0.25) + 1e-6
    for policy in POLICIES:
        assert value(scenario, policy) <= most + 1e-6, policy


def test_the_bounds_say_something() -> None:
    """If they were always 1, nothing could be above them."""
    optima = [optimum(seed) for seed in SEEDS]
    assert min(optima) < 0.9
    assert min(linear.bound(few(seed), slot_s=0.25) for seed in SEEDS) < 0.95


def test_a_bound_that_takes_company_for_too_dear_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "most_rows", lambda *_: 1)  # nobody shares a step, though in truth four do
    assert any(optimum(seed) > linear.bound(few(seed), slot_s=0.25) + 1e-6 for seed in SEEDS)


def test_a_best_schedule_of_a_worker_too_few_is_noticed() -> None:
    richer = (msgspec.structs.replace(few(seed), workers=4) for seed in SEEDS)
    assert any(value(more, "deadline") > optimum(seed) + 1e-6 for seed, more in zip(SEEDS, richer, strict=True))
