"""Delivery, with a store and a publisher in memory that can be told to wait or to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_consumers import pauses, upload
from tests.support.desks import desk, flight, idle, told
from tests.support.eventually import eventually


async def test_outputs_are_stored_then_outcomes_told_then_the_run_is_done(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        one = flight()
        at.delivery.put(one, told(one))
        await eventually(lambda: at.done == [1])
        good, bad = at.ledger.outcomes
        assert (good.id, good.state, good.attempt, good.model) == ("a", "succeeded", 1, "noop@1")
        assert at.store.held == {good.outputs[0].key: b"png"}
        assert (bad.id, bad.state, bad.attempt) == ("b", "failed", 2)
        assert bad.error is not None
        assert bad.error.retryable
        assert b'"id":"b"' in bytes(bad.queued)
        assert bytes(good.queued) == b"null"


async def test_what_ended_together_is_told_to_one_partition(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        one = flight()
        at.delivery.put(one, told(one))
        await eventually(lambda: at.done == [1])
        assert len(at.ledger.records) == 2
        assert len({(record.key, record.partition) for record in at.ledger.records}) == 1


async def test_a_run_that_is_not_over_is_not_done(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        one = flight()
        at.delivery.put(one, told(one, over=False))
        await eventually(lambda: len(at.ledger.outcomes) == 2)
        await idle()
        assert not at.done


async def test_nothing_is_told_while_nobody_knows_whose_the_batch_is(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.settled.clear()
        one = flight()
        at.delivery.put(one, told(one))
        await idle()
        assert not at.ledger.records
        assert not at.store.held
        at.settled.set()
        await eventually(lambda: at.done == [1])


async def test_a_run_given_up_while_its_outputs_are_stored_is_not_told_and_leaves_no_objects(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.store.gate.clear()
        one = flight()
        at.delivery.put(one, told(one))
        await idle()
        one.lost = True
        at.store.gate.set()
        other = flight(2)
        at.delivery.put(other, told(other))
        await eventually(lambda: at.done == [2])
        assert {outcome.id for outcome in at.ledger.outcomes} == {"a", "b"}
        assert len(at.ledger.outcomes) == 2
        assert list(at.store.held) == [at.ledger.outcomes[0].outputs[0].key]


async def test_a_store_that_is_silent_about_a_lost_run_does_not_hold_up_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "REMOVE_S", 0.05, raising=False)
    async with desk(tmp_path) as at:
        at.store.gate.clear()
        one, other = flight(1), flight(2)
        at.delivery.put(one, told(one))
        await idle()
        one.lost, at.store.silent = True, True
        at.store.gate.set()
        at.delivery.put(other, told(other))
        await eventually(lambda: at.done == [2])


async def test_a_rebalance_while_outputs_are_stored_holds_the_outcomes_back(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.store.gate.clear()
        one = flight()
        at.delivery.put(one, told(one))
        await idle()
        at.settled.clear()
        at.store.gate.set()
        await eventually(lambda: bool(at.store.held))
        await idle()
        assert not at.ledger.records
        one.lost = True
        at.settled.set()
        await eventually(lambda: not at.store.held)
        assert not at.ledger.records
        assert not at.done


async def test_a_store_that_is_down_costs_time_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "RETRY_S", (0.0,))
    async with desk(tmp_path) as at:
        at.store.failures = 5
        one = flight()
        at.delivery.put(one, told(one))
        await eventually(lambda: at.done == [1])
        assert len(at.store.held) == 1
        assert len(at.ledger.outcomes) == 2
