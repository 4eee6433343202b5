"""Delivery, with a store and a publisher in memory that can be told to wait or to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from contracts.codec import encode
from contracts.metrics import Metrics
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import Outcome
from gpu_consumers import upload
from gpu_consumers.deliver import Delivery
from gpu_consumers.flight import Flight, Source, open_batch
from gpu_consumers.frames import File, Made, Told, Unmade
from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable, StoredObject
from tests.support.batches import batch, queued
from tests.support.eventually import eventually


@dataclass
class Memory:
    """An object store."""

    held: dict[str, bytes] = field(default_factory=dict)
    failures: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, objects: Sequence[StoredObject]) -> list[str]:
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise ObjectsUnavailable("down")
        self.held |= {one.key: one.body for one in objects}
        return [f"memory:{one.key}" for one in objects]

    async def get(self, key: str) -> bytes:
        if key not in self.held:
            raise NoSuchObject
        return self.held[key]

    async def remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.held.pop(key, None)


@dataclass
class Ledger:
    """A publisher."""

    records: list[Record] = field(default_factory=list)

    async def publish(self, records: Sequence[Record]) -> None:
        await asyncio.sleep(0)
        self.records += records

    @property
    def outcomes(self) -> list[Outcome]:
        return [msgspec.json.decode(one.value or b"", type=Outcome) for one in self.records]


@dataclass
class Desk:
    """A delivery at work, and what came of it."""

    delivery: Delivery
    store: Memory
    ledger: Ledger
    settled: asyncio.Event
    done: list[int] = field(default_factory=list)

    async def finish(self, flight: Flight) -> None:
        await asyncio.sleep(0)
        self.done.append(flight.run)


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    store, ledger = Memory(), Ledger()
    store.gate.set()
    delivery = Delivery(
        worker="w-1",
        topics=Topics(),
        publisher=ledger,
        uploader=upload.Uploader(store, "abcd"),
        metrics=Metrics(CollectorRegistry()),
    )
    one = Desk(delivery=delivery, store=store, ledger=ledger, settled=asyncio.Event())
    one.settled.set()

    async def nothing_before() -> None:
        await asyncio.sleep(0)

    task = asyncio.create_task(delivery.serve(one.settled, nothing_before, one.finish))
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def flight(run: int = 1) -> Flight:
    source = Source(topic="batches.default", partition=0, offset=run)
    return open_batch(run, source, encode(batch("b", [queued("a"), queued("b", attempt=2)])), 0.0)


def told(one: Flight, *, over: bool = True) -> Told:
    file = File(body=b"png", media_type="image/png", suffix="png", width=8, height=8, sha256="00", seed=1)
    made = Made(place=0, files=[file], finished_at=5.0, run_s=1.0, gpu_s=0.5)
    unmade = Unmade(place=1, state="failed", code="out_of_memory", message="too large", retryable=True)
    return Told(run=one.run, made=[made], unmade=[unmade], over=over)


async def idle() -> None:
    """Let everything run that can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_outputs_are_stored_then_outcomes_told_then_the_run_is_done() -> None:
    async with desk() as at:
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


async def test_a_run_that_is_not_over_is_not_done() -> None:
    async with desk() as at:
        one = flight()
        at.delivery.put(one, told(one, over=False))
        await eventually(lambda: len(at.ledger.outcomes) == 2)
        await idle()
        assert not at.done


async def test_nothing_is_told_while_nobody_knows_whose_the_batch_is() -> None:
    async with desk() as at:
        at.settled.clear()
        one = flight()
        at.delivery.put(one, told(one))
        await idle()
        assert not at.ledger.records
        assert not at.store.held
        at.settled.set()
        await eventually(lambda: at.done == [1])


async def test_a_run_given_up_while_its_outputs_are_stored_is_not_told_and_leaves_no_objects() -> None:
    async with desk() as at:
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


async def test_a_rebalance_while_outputs_are_stored_holds_the_outcomes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk() as at:
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


async def test_a_store_that_is_down_costs_time_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "RETRY_S", (0.0,))
    async with desk() as at:
        at.store.failures = 5
        one = flight()
        at.delivery.put(one, told(one))
        await eventually(lambda: at.done == [1])
        assert len(at.store.held) == 1
        assert len(at.ledger.outcomes) == 2
