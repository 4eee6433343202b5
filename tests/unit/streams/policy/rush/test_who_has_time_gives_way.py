"""Where all deadlines can be met, whoever has time gives way to who has none; where not, tier and turn decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts.events import TIERS
from streams.policy import rush, turn
from streams.policy.demand import Demand, start_by
from tests.unit.streams.policy.binding.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

A, B = "a@1", "b@1"
RUN_S = 1.1
SOON_S = 2 * RUN_S
"""Time for one run, not for two."""


def _pool() -> Pool:
    """A worker that holds both models and has just run something."""
    pool = Pool(models=[A, B])
    for model in (A, B):
        pool.measure(model)
    pool.report(0, held=[A, B])
    pool.add(A)
    assert pool.batches()
    pool.now += 10.0
    pool.report(0, held=[A, B], finished=1)
    return pool


def _first(pool: Pool) -> tuple[str, str]:
    """Tier and tenant of the job that leads the next batch."""
    formed = pool.scheduler.form(pool.now)
    assert formed
    return formed.jobs[0].tier, formed.jobs[0].head.tenant


def test_a_paid_job_with_time_for_both_lets_an_ordinary_one_go_that_would_expire() -> None:
    pool = _pool()
    pool.add(A, tier="paid", ttl_s=60.0)
    pool.add(B, tier="ordinary", ttl_s=SOON_S)
    assert _first(pool)[0] == "ordinary"


def test_a_paid_job_waits_for_nobody_with_half_of_its_time_gone() -> None:
    pool = _pool()
    pool.add(A, tier="paid", ttl_s=4 * RUN_S)
    pool.now += 1.2
    pool.add(B, tier="ordinary", ttl_s=SOON_S + 0.4)
    assert _first(pool)[0] == "paid"


def test_where_not_all_can_be_in_time_the_paid_ones_are() -> None:
    pool = _pool()
    pool.add(A, tier="paid", ttl_s=60.0)
    pool.add(B, 40, tier="ordinary", ttl_s=SOON_S)
    assert _first(pool)[0] == "paid"


def test_a_paid_job_without_a_deadline_waits_for_nobodys() -> None:
    pool = _pool()
    pool.add(A, tier="paid")
    pool.add(B, tier="ordinary", ttl_s=SOON_S)
    assert _first(pool)[0] == "paid"


def test_a_paid_job_that_nobody_would_be_late_behind_goes_at_once() -> None:
    pool = _pool()
    pool.add(A, tier="paid", ttl_s=60.0)
    pool.add(B, tier="ordinary", ttl_s=20.0)
    assert _first(pool)[0] == "paid"


def test_a_tenant_ahead_of_its_turn_goes_before_one_with_time() -> None:
    assert _first(_two_tenants(greedy=1)) == ("ordinary", "greedy")


def test_one_with_more_jobs_than_all_others_waits_for_its_turn() -> None:
    assert _first(_two_tenants(greedy=4)) == ("ordinary", "calm")


def _two_tenants(*, greedy: int) -> Pool:
    """One has had much and has little time, the other has had nothing and has time."""
    pool = _pool()
    pool.add(A, tier="ordinary", tenant="calm", ttl_s=60.0)
    pool.scheduler.window.shares["ordinary"].of("greedy").spent = 100.0
    pool.add(B, greedy, tier="ordinary", tenant="greedy", ttl_s=greedy * SOON_S)
    return pool


def test_what_goes_ahead_while_nobody_loses_counts_for_no_more_than_a_batch() -> None:
    pool = _two_tenants(greedy=1)
    shares = pool.scheduler.window.shares["ordinary"]
    before = shares.of("greedy").spent
    assert _first(pool)[1] == "greedy"
    assert shares.of("greedy").spent == before


def _never(*_: object, **__: object) -> bool:
    return False


def _always(*_: object, **__: object) -> bool:
    return True


BUGS: list[tuple[object, str, Any, Callable[[], None]]] = [
    (rush.Rush, "on", _never, test_a_paid_job_with_time_for_both_lets_an_ordinary_one_go_that_would_expire),
    (turn, "due", start_by, test_a_paid_job_waits_for_nobody_with_half_of_its_time_gone),
    (Demand, "can_be_met", _always, test_where_not_all_can_be_in_time_the_paid_ones_are),
    (Demand, "dated", lambda _: TIERS, test_a_paid_job_without_a_deadline_waits_for_nobodys),
    (Demand, "presses", _always, test_a_paid_job_that_nobody_would_be_late_behind_goes_at_once),
    (rush.Rush, "on", _never, test_a_tenant_ahead_of_its_turn_goes_before_one_with_time),
    (rush, "_one_crowds_out_all", _never, test_one_with_more_jobs_than_all_others_waits_for_its_turn),
]


@pytest.mark.parametrize(("where", "name", "bug", "proof"), BUGS)
def test_each_of_these_notices_what_it_is_there_for(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, bug: Any, proof: Callable[[], None]
) -> None:
    monkeypatch.setattr(where, name, bug)
    with pytest.raises((AssertionError, ValueError)):
        proof()
