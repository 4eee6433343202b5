"""A batch is formed as late as it can be, for a worker that holds its model if it can be, and only as large as that pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.policy import bill, workers
from streams.policy.batching import Scheduler
from tests.unit.streams.policy.binding.pool import LOAD_S, Pool

if TYPE_CHECKING:
    from contracts.events import Tier

A, B = "a@1", "b@1"


def _busy_pool() -> Pool:
    """One worker that has just begun a batch of about a second."""
    pool = Pool(models=[A])
    pool.measure(A)
    pool.report(0, held=[A])
    pool.add(A)
    assert pool.batches() == [("w0", A, 1)]
    return pool


def test_the_next_batch_is_formed_shortly_before_the_present_one_ends() -> None:
    pool = _busy_pool()
    pool.add(A)
    assert pool.batches() == []
    at = pool.scheduler.wake_at()
    assert at is not None
    assert pool.now + 0.8 < at < pool.now + 1.1
    pool.now = at
    pool.add(A, tier="paid")
    assert pool.batches() == [("w0", A, 2)]


def test_a_worker_that_is_through_early_gets_its_next_batch_at_once() -> None:
    pool = _busy_pool()
    pool.add(A)
    pool.report(0, held=[A], finished=1)
    assert pool.batches() == [("w0", A, 1)]


def test_a_run_that_cannot_be_predicted_is_followed_up_at_half_of_it() -> None:
    pool = Pool(models=[A])
    pool.report(0, held=[A])
    pool.add(A, 2)
    pool.batches()
    pool.add(A)
    pool.now += 0.6
    assert pool.batches() == [("w0", A, 1)]


def test_a_paid_job_that_comes_during_a_run_is_in_the_next_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_of_the_next() -> str:
        pool = _busy_pool()
        pool.add(A, 4)
        early = pool.scheduler.form(pool.now)
        pool.add(A, tier="paid")
        pool.now += 1.0
        formed = early or pool.scheduler.form(pool.now)
        assert formed
        return formed.jobs[0].tier

    assert first_of_the_next() == "paid"
    monkeypatch.setattr(workers, "AHEAD_S", 1e9)  # bound as soon as there is room
    assert first_of_the_next() == "ordinary"


def test_a_job_waits_for_a_worker_that_holds_its_model_rather_than_have_another_load_it() -> None:
    pool = Pool(models=[A, B])
    pool.measure(A)
    pool.report(0, held=[A])
    pool.report(1, held=[B])
    pool.add(A, 9)
    assert {worker for worker, _, _ in pool.batches()} == {"w0"}


def test_a_worker_loads_what_more_work_waits_for_than_loading_costs() -> None:
    pool = Pool(models=[A, B])
    pool.report(0, held=[A])
    pool.report(1, held=[B])
    pool.add(A, int(4 * LOAD_S))
    assert ("w1", A, 4) in pool.batches()


def test_a_worker_does_not_leave_its_own_work_for_as_much_of_another() -> None:
    pool = Pool(models=[A, B])
    pool.report(0, held=[A])
    pool.report(1, held=[B])
    pool.add(A, int(4 * LOAD_S))
    pool.add(B, int(4 * LOAD_S))
    assert {(worker, model) for worker, model, _ in pool.batches()} == {("w0", A), ("w1", B)}


def test_a_model_that_nobody_holds_is_loaded_by_a_worker_with_nothing_to_do() -> None:
    pool = Pool(models=[A, B])
    pool.report(0, held=[A])
    pool.add(A, 4)
    pool.batches()
    pool.report(1, held=[A])
    pool.add(B)
    assert pool.batches() == [("w1", B, 1)]


def test_a_model_that_nobody_holds_gets_its_turn_though_there_is_always_work_for_another() -> None:
    pool = Pool(models=[A, B])
    pool.report(0, held=[A])
    pool.add(B)
    finished = 0
    for _ in range(100):
        pool.add(A, 4)
        formed = pool.batches()
        if any(model == B for _, model, _ in formed):
            return
        pool.now += 1.0
        finished += len(formed)
        pool.report(0, held=[A], finished=finished)
    pytest.fail("the other model starves")


@pytest.mark.parametrize(("base_s", "row_step_s", "size"), [(1.0, 0.01, 4), (0.001, 0.1, 1)])
def test_a_batch_is_filled_only_where_that_was_measured_to_pay(base_s: float, row_step_s: float, size: int) -> None:
    pool = Pool(models=[A], base_s=base_s, row_step_s=row_step_s)
    pool.measure(A)
    pool.report(0, held=[A])
    pool.add(A, 8)
    assert pool.batches()[0] == ("w0", A, size)


LATE_WITH_THREE_S = 2.4
"""A batch of one takes 1.5 s, each job more adds half a second."""


def _sizes(pool: Pool) -> list[int]:
    pool.report(0, held=[A])
    return [size for _, _, size in pool.batches()][:1]


@pytest.mark.parametrize("tier", ["paid", "ordinary"])
def test_nobody_joins_who_would_make_the_batch_too_late_for_one_in_it(tier: Tier) -> None:
    pool = Pool(models=[A], base_s=1.0, row_step_s=0.05)
    pool.measure(A)
    pool.add(A, tier=tier, ttl_s=LATE_WITH_THREE_S)
    pool.add(A, 3, tier="ordinary")
    assert _sizes(pool) == [2]


def test_who_is_late_anyway_keeps_nobody_out() -> None:
    pool = Pool(models=[A], base_s=1.0, row_step_s=0.05)
    pool.measure(A)
    pool.add(A, tier="paid", ttl_s=1.0)
    pool.add(A, 3, tier="ordinary")
    assert _sizes(pool) == [4]


def test_without_a_look_at_deadlines_company_makes_a_job_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bill.Predicted, "in_time", lambda *_: True)
    with pytest.raises(AssertionError):
        test_nobody_joins_who_would_make_the_batch_too_late_for_one_in_it("paid")


def test_one_batch_in_fifty_tries_whether_it_pays_by_now() -> None:
    pool = Pool(models=[A], base_s=0.001, row_step_s=0.1)
    pool.measure(A)
    sizes = []
    for finished in range(2 * bill.TRIED_AGAIN):
        pool.report(0, held=[A], finished=finished)
        pool.add(A, 4 - len(pool.scheduler.window) % 4)
        formed = pool.scheduler.form(pool.now)
        assert formed
        sizes.append(len(formed.jobs))
        pool.scheduler.sent(formed, finished)
        pool._ends[0] = finished + 1
    assert 1 <= sum(size > 1 for size in sizes) <= 4


def test_without_a_cost_model_nothing_is_late_bound() -> None:
    pool = Pool(models=[A])
    pool.scheduler = Scheduler(pool.scheduler.caps, batch_wait_s=0.0)
    pool.report(0, held=[A])
    pool.add(A, 8)
    assert len(pool.batches()) == 2
