"""The simulator is only worth something if it is right: nothing lost, the same twice, and what theory says of a queue."""

from __future__ import annotations

import random

import msgspec
import pytest

from contracts.catalog import Cost
from loadtest.simulate.contest import Table, play
from loadtest.simulate.fleet import asked, base, turbo
from loadtest.simulate.policies import POLICIES
from loadtest.simulate.policies.fifo import OneAtATime
from loadtest.simulate.simulation import Broken, Plumbing, Simulation, Troubles, catalog_of
from loadtest.simulate.trace import Item, Scenario
from loadtest.simulate.traces import Draw
from loadtest.simulate.truth import Model
from loadtest.simulate.worker import SimulatedWorker
from streams.policy.cost_model import CostModel
from streams.policy.fill import CatalogCaps
from streams.policy.waiting import Waiting


def small(seed: int, jobs: int = 200) -> Scenario:
    draw, model = Draw("small", seed), base()
    items = [draw.item(at, model, asked(model)) for at in draw.times(lambda _: 6.0, 6.0, jobs / 6)]
    return Scenario(name="small", about="", items=items, models=(model,), workers=3, seed=seed)


def fast(floor_s: float) -> Model:
    """Every job takes exactly this long, whatever the machine does."""
    model = turbo()
    spec = msgspec.structs.replace(model.spec, steps=1, cost=Cost(base_s=floor_s, per_row_step_s=1e-9))
    return msgspec.structs.replace(model, spec=spec, floor_s=floor_s, row_s=1e-9, start_s=0.0, picture_s=0.0)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_seed_gives_the_same_run_and_another_seed_another(policy: str) -> None:
    first, again, other = (msgspec.json.encode(play(small(seed), policy).fates) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("policy", POLICIES)
def test_every_job_ends_once_though_workers_die_and_runs_fail(policy: str) -> None:
    scenario = small(3)
    catalog = catalog_of(scenario)
    caps, costs = CatalogCaps(catalog), CostModel(catalog)
    troubles = Troubles(failing=0.1, deaths=((7.0, 0, 9.0), (15.0, 1, 25.0), (16.0, 2, 17.0)))
    costs = CostModel(catalog)
    run = Simulation(scenario, POLICIES[policy](caps, costs), caps, costs, name=policy, troubles=troubles).run()
    assert len(run.fates) == len(scenario.items)
    assert sum(fate.done_at is not None for fate in run.fates) > len(scenario.items) / 4
    assert all(fate.done_at is None or fate.done_at > item.at for item, fate in zip(scenario.items, run.fates, strict=True))


class Forgetful(OneAtATime):
    """Loses every hundredth job."""

    def arrive(self, job: Waiting, now: float) -> None:
        if job.offset % 100:
            super().arrive(job, now)


def test_a_policy_that_loses_a_job_is_noticed() -> None:
    scenario = small(3)
    caps = CatalogCaps(catalog_of(scenario))
    simulation = Simulation(scenario, Forgetful(caps), caps, CostModel(catalog_of(scenario)), name="forgetful")
    with pytest.raises(Broken, match="jobs are left"):
        simulation.run()


def mean_wait(rate: float, service_s: float, jobs: int) -> float:
    """Seconds from submission to the start of the run, of jobs that come at random to one worker."""
    model, chance = fast(service_s), random.Random(5)
    at, items = 0.0, []
    for _ in range(jobs):
        at += chance.expovariate(rate)
        items.append(Item(at=at, tenant="a", tier="paid", model=model.spec.ref, resolved=asked(model), goal_s=1e6))
    scenario = Scenario(name="theory", about="", items=items, models=(model,), workers=1)
    nothing = Plumbing(admit_s=0.0, dispatch_s=0.0, report_s=0.0, settle_s=0.0)
    caps, costs = CatalogCaps(catalog_of(scenario)), Table(catalog_of(scenario))
    run = Simulation(scenario, OneAtATime(caps), caps, costs, name="fifo", plumbing=nothing, jitter=0.0).run()
    return sum((fate.done_at or 0.0) - item.at - service_s for item, fate in zip(items, run.fates, strict=True)) / jobs


def expected_wait(rate: float, service_s: float) -> float:
    """Pollaczek and Khinchine's formula for equal service times (M/D/1)."""
    load = rate * service_s
    return load * service_s / (2 * (1 - load))


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_random_arrivals_at_one_worker_wait_as_long_as_queueing_theory_says(load: float) -> None:
    assert mean_wait(load / 0.1, 0.1, 5000) == pytest.approx(expected_wait(load / 0.1, 0.1), rel=0.1)


def test_a_worker_that_pauses_between_runs_is_noticed_by_the_theory(monkeypatch: pytest.MonkeyPatch) -> None:
    start = SimulatedWorker._next
    monkeypatch.setattr(SimulatedWorker, "_next", lambda self: self._around.clock.after(0.005, lambda: start(self)))
    assert mean_wait(7.0, 0.1, 5000) > 1.15 * expected_wait(7.0, 0.1)
