"""A lone job waits for another like it only where that pays."""

from __future__ import annotations

from typing import Any

import pytest

from streams.policy import company
from tests.unit.streams.policy.binding.pool import Pool

A = "a@1"
SAVED_S = 1.0
"""Two alone take 2.2 s, two together 1.2 s."""


def _pool(*, every_s: float, limit_s: float = 60.0) -> Pool:
    """A worker that is idle, and a job of the key every so often until now."""
    pool = Pool(models=[A], batch_wait_s=limit_s)
    pool.measure(A)
    pool.report(0, held=[A])
    for finished in range(10):
        pool.add(A, 2)
        assert pool.batches()
        pool.now += 2 * every_s
        pool.report(0, held=[A], finished=finished + 1)
    return pool


def _waits(pool: Pool) -> bool:
    return pool.scheduler.form(pool.now) is None


def test_it_waits_where_others_come_sooner_than_company_saves() -> None:
    pool = _pool(every_s=0.2)
    pool.add(A)
    assert _waits(pool)
    assert pool.scheduler.wake_at() == pytest.approx(pool.now + SAVED_S, rel=0.1)
    pool.now += 1.2 * SAVED_S
    assert pool.batches() == [("w0", A, 1)]


def test_it_leaves_with_the_company_that_comes() -> None:
    pool = _pool(every_s=0.2)
    pool.add(A)
    assert _waits(pool)
    pool.add(A)
    assert pool.batches() == [("w0", A, 2)]


def test_it_leaves_at_once_where_others_come_later_than_company_saves() -> None:
    pool = _pool(every_s=2.0)
    pool.add(A)
    assert not _waits(pool)


def test_the_first_job_of_an_idle_pool_leaves_at_once() -> None:
    pool = Pool(models=[A], batch_wait_s=60.0)
    pool.report(0, held=[A])
    pool.add(A)
    assert not _waits(pool)


def test_it_leaves_at_once_where_another_worker_is_idle() -> None:
    pool = _pool(every_s=0.2)
    pool.report(1, held=[A])
    pool.add(A)
    assert not _waits(pool)


def test_it_waits_no_longer_than_its_deadline_allows() -> None:
    pool = _pool(every_s=0.2)
    pool.add(A, ttl_s=1.7)
    assert _waits(pool)
    at = pool.scheduler.wake_at()
    assert at is not None
    assert at < pool.now + SAVED_S / 2


def test_it_waits_no_longer_than_the_operator_says() -> None:
    pool = _pool(every_s=0.2, limit_s=0.005)
    pool.add(A)
    assert _waits(pool)
    assert pool.scheduler.wake_at() == pytest.approx(pool.now + 0.005)


def _the_rule() -> None:
    test_it_waits_where_others_come_sooner_than_company_saves()
    test_it_leaves_at_once_where_others_come_later_than_company_saves()


@pytest.mark.parametrize(("name", "bug"), [("rate", lambda *_: 1e9), ("worth_s", lambda *_: SAVED_S), ("left", lambda *_: None)])
def test_a_rule_that_always_or_never_waits_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, bug: Any) -> None:
    monkeypatch.setattr(company.Company, name, bug)
    with pytest.raises(AssertionError):
        _the_rule()
