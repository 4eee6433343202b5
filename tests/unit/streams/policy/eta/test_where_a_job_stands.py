from __future__ import annotations

from typing import Any

import pytest

from contracts.events import Tier
from contracts.pools import Band, ModelQueue, PoolState, TenantQueue, TierQueue
from streams.policy.eta import GRAIN_S, WAY_S, Eta, Front
from streams.policy.outlook import SAME_S, STALE_S, Outlook
from streams.policy.pool import look

NOW = 1000.0
EXACT = {0: Band(low=0.5, middle=1.0, high=2.0)}


def tier_of(*tenants: TenantQueue, coming: float = 0.0) -> TierQueue:
    jobs, gpu_s = sum(one.jobs for one in tenants), sum(one.gpu_s for one in tenants)
    return TierQueue(jobs=jobs, gpu_s=gpu_s, seen_at=NOW, tenants=list(tenants), coming=coming, usual=coming)


def has(tenant: str, jobs: int, *, weight: float = 1.0, coming: float = 0.0) -> TenantQueue:
    """Jobs of a second each."""
    return TenantQueue(
        tenant=tenant, jobs=jobs, gpu_s=float(jobs), oldest_at=NOW - 60, newest_at=NOW - 20, weight=weight, coming=coming
    )


def pool(tiers: dict[Tier, TierQueue], **how: Any) -> PoolState:
    return PoolState(pool="default", at=NOW, bands=EXACT, tiers=tiers, **{"workers": 1, **how})


def of(state: PoolState, tier: Tier = "ordinary", tenant: str = "me", *, now: float = NOW, model: str = "m@1") -> Eta:
    return Front(state, tier, tenant, look(state, tier, {}, now)).peek(1.0, model)


def test_where_nobody_waits_a_job_takes_its_run() -> None:
    eta, took = of(pool({}, free=True)), 1 + WAY_S
    assert (eta.position, eta.raw_s, eta.eta_s) == (0, took, took)
    assert [eta.low_s, eta.high_s] == pytest.approx([0.5 * took - GRAIN_S, 2 * took + GRAIN_S])


def test_what_runs_is_waited_for() -> None:
    assert of(pool({}, busy_s=3.0)).eta_s == pytest.approx(4.0 + WAY_S)


def test_more_important_tiers_and_ones_own_jobs_go_before_and_less_important_ones_do_not() -> None:
    state = pool({"paid": tier_of(has("a", 5)), "urgent": tier_of(has("me", 3)), "ordinary": tier_of(has("me", 90))})
    eta = of(state, "urgent")
    assert eta.position == 8
    assert eta.eta_s == pytest.approx(8 + 1 + 0.5 + WAY_S), "half a run until the worker has time"


@pytest.mark.parametrize(("weight", "before"), [(1.0, 4 + 5), (3.0, 4 + 15)])
def test_of_a_greedy_tenant_as_much_goes_before_as_ones_own_by_weight(weight: float, before: int) -> None:
    state = pool({"ordinary": tier_of(has("greedy", 1000, weight=weight), has("me", 4))})
    assert of(state).position == before


def test_tenants_who_go_on_sending_go_before_but_not_for_more_than_their_share() -> None:
    quiet = of(pool({"ordinary": tier_of(has("me", 10), has("other", 0))}))
    busy = of(pool({"ordinary": tier_of(has("me", 10), has("other", 0, coming=0.5), coming=0.5)}))
    flood = of(pool({"ordinary": tier_of(has("me", 10), has("other", 0, coming=50.0), coming=50.0)}))
    assert quiet.eta_s < busy.eta_s < flood.eta_s <= quiet.eta_s + 11


def test_a_flood_of_paid_work_leaves_ordinary_jobs_their_floor() -> None:
    state = pool({"paid": TierQueue(coming=100.0, usual=100.0), "ordinary": tier_of(has("me", 1))})
    assert of(state).eta_s < 1 / 0.04 + 3


def test_full_batches_make_the_wait_shorter() -> None:
    one_by_one, batched = (of(pool({"paid": tier_of(has("a", 80))}, gain=gain, full=8.0)) for gain in (1.0, 4.0))
    assert batched.eta_s < one_by_one.eta_s / 3


def test_a_model_that_nobody_holds_is_loaded_first() -> None:
    state = pool({}, free=True, models={"m@1": ModelQueue(load_s=20.0), "n@1": ModelQueue(holders=1)})
    assert of(state).eta_s == pytest.approx(of(state, model="n@1").eta_s + 20)


def test_what_was_done_since_the_state_was_told_is_waited_for_no_more() -> None:
    state = pool({"paid": tier_of(has("a", 8))})
    assert of(state, now=NOW + 2).position == 6


def test_jobs_let_in_since_the_state_was_told_count() -> None:
    outlook = Outlook()
    outlook.learn(pool({}))
    told = [outlook.chunk(NOW + number * SAME_S).forecast("default", "ordinary", "me", 10.0, "m@1") for number in range(3)]
    assert [eta.position for eta in told if eta] == [0, 1, 2]


def test_jobs_that_the_state_has_are_not_counted_twice() -> None:
    outlook = Outlook()
    outlook.learn(pool({}))
    outlook.chunk(NOW).forecast("default", "ordinary", "me", 10.0, "m@1")
    outlook.learn(pool({"ordinary": tier_of(has("me", 1))}))
    eta = outlook.chunk(NOW).forecast("default", "ordinary", "me", 10.0, "m@1")
    assert eta is not None
    assert eta.position == 1


def test_a_parked_job_waits_for_its_turn_first_and_teaches_nothing() -> None:
    outlook = Outlook()
    outlook.learn(pool({}, free=True))
    chunk = outlook.chunk(NOW)
    parked = chunk.forecast("default", "ordinary", "me", 1.0, "m@1", 60.0)
    at_once = chunk.forecast("default", "ordinary", "me", 1.0, "m@1")
    assert parked is not None
    assert at_once is not None
    assert parked.raw_s == 0
    assert parked.low_s == pytest.approx(at_once.low_s + 60)


@pytest.mark.parametrize(("workers", "age_s"), [(0, 0.0), (1, STALE_S + 1)])
def test_without_workers_or_a_scheduler_nothing_is_said(workers: int, age_s: float) -> None:
    outlook = Outlook()
    outlook.learn(pool({}, workers=workers))
    assert outlook.chunk(NOW + age_s).forecast("default", "ordinary", "me", 1.0, "m@1") is None


@pytest.mark.parametrize(("admitted_at", "position"), [(NOW - 61, 0), (NOW - 60, 0), (NOW - 40, 20), (NOW - 20, 40), (NOW, 40)])
def test_a_job_that_waits_moves_up_as_those_before_it_go(admitted_at: float, position: int) -> None:
    state = pool({"ordinary": tier_of(has("me", 40))})
    front = Front(state, "ordinary", "me", look(state, "ordinary", {}, NOW)).since(admitted_at)
    assert front.peek(1.0, "m@1").position == position


def test_the_last_of_its_tenants_jobs_has_none_of_them_in_front() -> None:
    state = pool({"ordinary": tier_of(has("other", 40))})
    front = Front(state, "ordinary", "me", look(state, "ordinary", {}, NOW)).since(NOW - 90)
    assert front.peek(1.0, "m@1").position == 1
