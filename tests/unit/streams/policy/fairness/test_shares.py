"""Tenants that compete get GPU-seconds by weight, whatever else happens, and nobody waits for ever."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from hypothesis.strategies import booleans, floats, sampled_from

from streams.policy.batching import Scheduler
from tests.unit.streams.policy.fairness import unfair
from tests.unit.streams.policy.fairness.market import DEAREST_S, HUNGRY, LARGEST_S, WEIGHTS, Market, ThreeAtOnce, Unfair

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = ["k-1", "l-1", "k-2"]
ONE_KEY = dict.fromkeys(HUNGRY, "k-1")
OWN_KEYS = dict(zip(HUNGRY, KEYS, strict=True))
ROUNDS = 120


def new_market(workers: int = 2) -> Market:
    return Market(Scheduler(ThreeAtOnce(), batch_wait_s=0.0, weight=WEIGHTS.__getitem__), workers)


class Competition(RuleBasedStateMachine):
    """Three who always want more, and guests who come, hurry, cancel and leave."""

    @initialize(one=booleans())
    def start(self, one: bool) -> None:
        self.market = new_market()
        self.key_of = ONE_KEY if one else OWN_KEYS
        self.market.feed(self.key_of)

    @rule()
    def everybody_is_served(self) -> None:
        for _ in range(10):
            self.market.round(self.key_of)

    @rule(key=sampled_from(KEYS), price=floats(0.1, DEAREST_S))
    def a_guest_comes(self, key: str, price: float) -> None:
        self.market.add("guest", key, price)

    @rule(key=sampled_from(KEYS), soon=floats(0.1, 30.0), who=sampled_from(["hasty", "a"]))
    def somebody_is_in_a_hurry(self, key: str, soon: float, who: str) -> None:
        for _ in range(4):
            self.market.add(who, key, DEAREST_S, deadline=self.market.now + LARGEST_S + soon)

    @rule(key=sampled_from(KEYS))
    def a_paid_job_comes(self, key: str) -> None:
        self.market.add("guest", key, DEAREST_S, tier="paid")

    @rule()
    def a_batch_is_not_written(self) -> None:
        self.market.form(refused=True)

    @precondition(lambda self: self.market.waiting)
    @rule()
    def a_job_is_cancelled(self) -> None:
        self.market.cancel(next(iter(self.market.waiting)))
        self.market.feed(self.key_of)

    @invariant()
    def nobody_got_too_much(self) -> None:
        if hasattr(self, "market"):
            self.market.judge()


def test_those_who_always_want_more_stay_within_two_batches_of_each_other() -> None:
    limits = settings(max_examples=40, stateful_step_count=25, deadline=None, database=None)
    run_state_machine_as_test(Competition, settings=settings(limits, suppress_health_check=list(HealthCheck)))


def by_weight(market: Market, key_of: dict[str, str]) -> None:
    for _ in range(ROUNDS):
        market.round(key_of)


def with_a_small_tenant_whose_batches_others_fill(market: Market) -> None:
    """The guest leads often, on a's key: what fills its batches is a's."""
    for _ in range(ROUNDS):
        market.add("guest", "k-1", 0.1)
        market.round(OWN_KEYS)


def with_one_always_in_a_hurry(market: Market) -> None:
    for _ in range(ROUNDS):
        market.add("a", "k-1", DEAREST_S, deadline=market.now + LARGEST_S + 2)
        market.add("a", "k-1", DEAREST_S, deadline=market.now + LARGEST_S + 2)
        market.round(OWN_KEYS)


def with_batches_refused(market: Market) -> None:
    dice = Random(1)
    for _ in range(ROUNDS):
        market.feed(OWN_KEYS)
        formed = market.form(refused=True)
        while formed is not None and formed.jobs[0].head.tenant == "b" and dice.random() < 0.9:
            formed = market.form(refused=True)
        market.round(OWN_KEYS)


def with_a_guest_back_from_a_rest(market: Market) -> None:
    """It may not make up for the time that it did not want anything."""
    market.add("guest", "k-1", 0.1)
    by_weight(market, ONE_KEY)
    before = dict(market.served)
    for _ in range(30):
        for _ in range(6):
            market.add("guest", "k-1", DEAREST_S)
        market.round(ONE_KEY)
    gained = {tenant: (market.served[tenant] - before.get(tenant, 0.0)) / WEIGHTS[tenant] for tenant in (*HUNGRY, "guest")}
    if gained["guest"] > 2 * gained["a"] + 2 * DEAREST_S:
        raise Unfair(str(gained))


STORIES: dict[str, Callable[[Market], None]] = {
    "one key": lambda market: by_weight(market, ONE_KEY),
    "a key each": lambda market: by_weight(market, OWN_KEYS),
    "company": with_a_small_tenant_whose_batches_others_fill,
    "hurry": with_one_always_in_a_hurry,
    "refused": with_batches_refused,
    "rest": with_a_guest_back_from_a_rest,
}
WRONG: dict[unfair.Plant, str] = {
    unfair.charges_nothing: "a key each",
    unfair.forgets_weights: "one key",
    unfair.company_rides_for_nothing: "company",
    unfair.company_rides_without_end: "company",
    unfair.deadlines_know_no_bounds: "hurry",
    unfair.rests_are_saved_up: "rest",
    unfair.refunds_are_lost: "refused",
}


def behind_a_backlog(market: Market) -> int:
    """Batches that go before the first job of a guest, who comes when the window is full of another's."""
    for _ in range(2000):
        market.add("a", "k-1", DEAREST_S)
    for _ in range(50):
        market.form()
        market.finish()
    name = market.add("guest", "l-1", DEAREST_S)
    for batches in range(100):
        market.form()
        if name not in market.waiting:
            return batches
        market.finish()
    raise Unfair("the guest waits behind the whole backlog")


def with_an_own_job_that_is_in_no_hurry(market: Market) -> None:
    """One tenant's jobs with deadlines never end; the one without has its turn all the same."""
    name = market.add("a", "k-1", 1.0)
    for _ in range(400):
        for _ in range(4):
            market.add("a", "k-1", 1.0, deadline=market.now + 50)
        market.form()
        market.finish()
        if name not in market.waiting:
            return
    raise Unfair("the job without a deadline starves")


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_tenants_job_waits_for_one_batch_a_worker_of_anothers_backlog(workers: int) -> None:
    assert behind_a_backlog(new_market(workers)) <= workers


def test_first_come_first_served_would_let_it_wait_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    unfair.charges_nothing(monkeypatch)
    with pytest.raises(Unfair):
        behind_a_backlog(new_market())


def test_deadlines_of_a_tenant_do_not_starve_its_other_jobs() -> None:
    with_an_own_job_that_is_in_no_hurry(new_market(1))


def test_without_patience_they_would(monkeypatch: pytest.MonkeyPatch) -> None:
    unfair.patience_never_ends(monkeypatch)
    with pytest.raises(Unfair):
        with_an_own_job_that_is_in_no_hurry(new_market(1))


def order_of(*deadlines: float | None) -> list[int]:
    """In which order one tenant's jobs go that came in this order, with so long until they are of no use (seconds)."""
    market = new_market(1)
    made = [
        market.add("a", f"{number}-1", 1.0, deadline=None if one is None else market.now + one)
        for number, one in enumerate(deadlines)
    ]
    gone: list[int] = []
    while market.waiting:
        formed = market.form()
        gone += [made.index(job.name) for job in formed.jobs] if formed else []
        market.finish()
    return gone


def test_a_tenants_own_jobs_go_by_when_they_have_to_start() -> None:
    assert order_of(None, 30, 20, None) == [2, 1, 0, 3]


def test_a_job_that_can_hardly_make_its_deadline_goes_last_and_goes() -> None:
    assert order_of(None, 1.1, 20) == [2, 0, 1]


@pytest.mark.parametrize("story", STORIES)
def test_shares_hold_in(story: str) -> None:
    STORIES[story](new_market())


@pytest.mark.parametrize("plant", WRONG, ids=lambda one: str(one.__name__))
def test_a_scheduler_that_is_unfair_is_noticed(plant: unfair.Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(Unfair):
        STORIES[WRONG[plant]](new_market())
