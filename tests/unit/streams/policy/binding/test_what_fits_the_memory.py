"""Batches are as large as the memory of the worker allows, and who fits only some workers is left for them."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.work import Squeezed
from streams.policy.fill import MISFITS
from streams.policy.memory import Fit
from tests.unit.streams.policy.binding.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Sequence

A, B = "a@1", "b@1"
MB = 1_000_000
MODEL, ROW = 1000 * MB, 100 * MB
"""What the model takes, and each row on top; predictions add a tenth to the latter."""


def _pool(models: Sequence[str] = (A,), **changes: Any) -> Pool:
    pool = Pool(models=models, **changes)
    for model in models:
        pool.measure(model, model_bytes=MODEL, row_bytes=ROW)
    return pool


def _first(pool: Pool) -> tuple[str, str, int]:
    return pool.batches()[0]


@pytest.mark.parametrize(
    ("memory", "size"), [(None, 4), (1500 * MB, 4), (1345 * MB, 3), (1225 * MB, 2), (1215 * MB, 1), (900 * MB, 1)]
)
def test_a_batch_is_as_large_as_the_memory_of_its_worker_allows(memory: int | None, size: int) -> None:
    pool = _pool()
    pool.report(0, held=[A], memory=memory, held_bytes=MODEL)
    pool.add(A, 8)
    assert _first(pool) == ("w0", A, size)


def test_without_a_measured_run_memory_is_no_limit() -> None:
    pool = Pool(models=[A])
    pool.measure(A)
    pool.report(0, held=[A], memory=1100 * MB, held_bytes=MODEL)
    pool.add(A, 8)
    assert _first(pool) == ("w0", A, 4)


def test_what_other_models_hold_is_not_there_for_a_batch() -> None:
    pool = _pool([A, B])
    pool.report(0, held=[A, B], memory=2225 * MB, held_bytes=2 * MODEL)
    pool.add(A, 8)
    assert _first(pool) == ("w0", A, 2)


@pytest.mark.parametrize(("memory", "size"), [(2345 * MB, 3), (1345 * MB, 3), (1225 * MB, 2)])
def test_a_model_that_has_to_be_loaded_takes_the_place_of_others_where_both_have_none(memory: int, size: int) -> None:
    pool = _pool([A, B])
    pool.report(0, held=[B], memory=memory, held_bytes=MODEL)
    pool.add(A, 8)
    assert _first(pool) == ("w0", A, size)


def test_the_lower_limit_counts_where_a_device_ran_out_of_memory_all_the_same() -> None:
    pool = _pool()
    pool.report(0, held=[A], memory=1345 * MB, held_bytes=MODEL)
    (worker,) = pool.scheduler.workers.all()
    worker.report.squeezed[A] = Squeezed(weight=4.0, ago_s=0.0)
    pool.add(A, 8)
    assert _first(pool) == ("w0", A, 2)


def _two_sizes(*, free: Sequence[int] = (0, 1)) -> Pool:
    """A worker with room for two rows, and one for twenty."""
    pool = _pool()
    pool.report(0, held=[A], memory=1225 * MB, held_bytes=MODEL, slots=2 if 0 in free else 0)
    pool.report(1, held=[A], memory=3225 * MB, held_bytes=MODEL)
    if 1 not in free:
        pool.add(A, 4)
        assert pool.scheduler.workers.free(pool.now)[-1].name == "w1"
        pool.report(0, held=[A], memory=1225 * MB, held_bytes=MODEL, slots=0)
        assert pool.batches() == [("w1", A, 4)]
        pool.report(0, held=[A], memory=1225 * MB, held_bytes=MODEL)
    return pool


def test_a_job_that_fits_one_worker_only_goes_there() -> None:
    pool = _two_sizes()
    pool.add(A, pictures=8)
    assert pool.batches() == [("w1", A, 1)]


def test_it_waits_for_that_worker_and_keeps_nobody_else_waiting() -> None:
    pool = _two_sizes(free=[0])
    pool.add(A, pictures=8)
    pool.add(A, 1)
    assert pool.batches() == [("w0", A, 1)]
    assert not pool.scheduler.could_run(pool.now), "nobody is stuck"
    pool.report(1, held=[A], memory=3225 * MB, held_bytes=MODEL, finished=1)
    assert pool.batches() == [("w1", A, 1)]


@pytest.mark.parametrize("memory", [1225 * MB, 900 * MB])
def test_a_job_that_fits_no_worker_runs_alone(memory: int) -> None:
    pool = _pool()
    for worker in range(2):
        pool.report(worker, held=[A], memory=memory, held_bytes=MODEL)
    pool.add(A, 2, pictures=8)
    assert sorted(pool.batches()) == [("w0", A, 1), ("w1", A, 1)]


def test_nobody_waits_for_a_worker_that_takes_nothing_or_died() -> None:
    for slots, passes_s in ((0, 0.0), (2, 6.0)):
        pool = _two_sizes(free=[0])
        pool.report(1, held=[A], memory=3225 * MB, held_bytes=MODEL, slots=slots)
        pool.now += passes_s
        pool.report(0, held=[A], memory=1225 * MB, held_bytes=MODEL)
        pool.add(A, pictures=8)
        assert pool.batches() == [("w0", A, 1)]


def test_who_fits_no_holder_of_its_model_has_it_loaded_by_another_worker() -> None:
    pool = _pool([A, B])
    pool.report(0, held=[A], memory=1225 * MB, held_bytes=MODEL)
    pool.report(1, held=[B], memory=2225 * MB, held_bytes=MODEL)
    pool.add(A, pictures=8)
    assert pool.batches() == [("w1", A, 1)]


def test_it_is_loaded_there_though_that_worker_was_busy_when_it_came() -> None:
    pool = _pool([A, B])
    pool.report(1, held=[B], memory=2225 * MB, held_bytes=MODEL)
    pool.add(B)
    assert pool.batches() == [("w1", B, 1)]
    pool.report(0, held=[A], memory=1225 * MB, held_bytes=MODEL)
    pool.add(A, pictures=8)
    assert pool.batches() == []
    pool.add(A)
    assert pool.batches() == [("w0", A, 1)]
    pool.report(1, held=[B], memory=2225 * MB, held_bytes=MODEL, finished=1)
    pool.add(A)
    assert ("w1", A, 1) in pool.batches()


def test_many_that_fit_one_worker_only_cost_a_decision_little(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = 0
    pool = _two_sizes(free=[0])
    pool.add(A, 500, pictures=8)
    hide = pool.scheduler.window.hide

    def counted(job: Any) -> None:
        nonlocal hidden
        hidden += 1
        hide(job)

    monkeypatch.setattr(pool.scheduler.window, "hide", counted)
    for _ in range(100):
        assert pool.batches() == []
    assert hidden <= 100 * MISFITS
    heaps = [line._heap for crowd in pool.scheduler.window.models("ordinary").values() for line in crowd._lines.values()]
    assert all(len(heap) <= 4 * 500 for heap in heaps), "shown again and again"


jobs = st.lists(st.tuples(st.integers(1, 8), st.sampled_from(["paid", "ordinary"])), min_size=1, max_size=12)
memories = st.lists(st.one_of(st.none(), st.integers(800, 2500)), min_size=1, max_size=3)


def _whatever_comes(waiting: Sequence[tuple[int, Any]], memories: Sequence[int | None]) -> None:
    """Nobody is left waiting, and what is predicted of a batch fits its worker, or is alone there."""
    pool = _pool()
    for pictures, tier in waiting:
        pool.add(A, tier=tier, pictures=pictures)
    finished = dict.fromkeys(range(len(memories)), 0)
    for _ in range(2 * len(waiting)):
        for worker, memory in enumerate(memories):
            whole = None if memory is None else memory * MB
            pool.report(worker, held=[A], memory=whole, held_bytes=MODEL, finished=finished[worker])
        while (formed := pool.scheduler.form(pool.now)) is not None:
            pool.scheduler.sent(formed, finished[formed.partition])
            pool._ends[formed.partition] = finished[formed.partition] = finished[formed.partition] + 1
            memory = memories[formed.partition]
            rows = sum(job.head.resolved.rows for job in formed.jobs)
            known = pool.costs.memory(A, A)
            assert known
            fits = memory is None or known.of(rows) <= memory * MB
            assert fits or len(formed.jobs) == 1
            others = [None if one is None else one * MB for one in memories]
            assert fits or not any(one is None or known.of(rows) <= one for one in others)
    assert not len(pool.scheduler.window)


@settings(max_examples=80, deadline=None, database=None)
@given(jobs, memories)
def test_whatever_comes_fits_or_is_alone(waiting: Sequence[tuple[int, Any]], memories: Sequence[int | None]) -> None:
    _whatever_comes(waiting, memories)


def _some_that_came() -> None:
    for pictures in ([1] * 8, [8], [8, 1, 8]):
        for some in ([1225], [1225, 3225], [900]):
            _whatever_comes([(one, "ordinary") for one in pictures], some)


PLANTED: list[tuple[str, Any]] = [
    ("rows", lambda *_: inf),
    ("has_room", lambda *_: True),
    ("choose", lambda *given: given[2]),
    ("choose", lambda *_: ()),
]


@pytest.mark.parametrize(("name", "bug"), PLANTED)
def test_a_scheduler_that_knows_less_of_memory_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, bug: Any) -> None:
    monkeypatch.setattr(Fit, name, bug)
    with pytest.raises(AssertionError):
        _some_that_came()
