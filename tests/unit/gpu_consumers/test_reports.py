"""Reports on `workers`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from contracts.records import Record
from contracts.topics import Topics
from contracts.work import WorkerReport
from gpu_consumers.app import ended
from gpu_consumers.report import Reporter, engines_of, runnable
from loadtest.crew.noop import catalog_of
from tests.support.batches import MODEL
from tests.support.eventually import eventually


@dataclass
class Ledger:
    """A publisher."""

    records: list[Record] = field(default_factory=list)

    async def publish(self, records: Sequence[Record]) -> None:
        self.records += records


def report(at: float) -> WorkerReport:
    return WorkerReport(worker="w", pool="default", at=at, generation=1)


async def test_a_change_is_reported_at_once_and_keyed_by_the_worker() -> None:
    ledger = Ledger()
    reporter = Reporter(ledger, Topics(), report)
    task = asyncio.create_task(reporter.serve())
    await eventually(lambda: len(ledger.records) == 1)
    reporter.change()
    await eventually(lambda: len(ledger.records) == 2, within=0.9)
    assert {(one.topic, one.key) for one in ledger.records} == {("workers", b"w")}
    await ended([task])


async def test_nothing_is_reported_while_nobody_knows_whose_the_partitions_are() -> None:
    ledger = Ledger()
    await Reporter(ledger, Topics(), lambda _: None).send()
    assert not ledger.records


@pytest.mark.parametrize("turns", range(6))
async def test_a_reporter_ends_even_if_something_changes_at_that_moment(turns: int) -> None:
    reporter = Reporter(Ledger(), Topics(), report)
    task = asyncio.create_task(reporter.serve())
    await asyncio.sleep(0.01)
    reporter.change()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    _, pending = await asyncio.wait([task], timeout=0.5)
    assert not pending


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    async def deaf() -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue
        await asyncio.sleep(60)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await ended([task])
    assert task.cancelled()


def test_a_worker_offers_the_models_of_its_pool_whose_engine_is_installed() -> None:
    catalog = catalog_of(
        MODEL, replace(MODEL, name="elsewhere", pool="other"), replace(MODEL, name="unknown", engine="no-such-engine")
    )
    assert runnable(catalog, "default") == ["noop@1"]
    assert engines_of(catalog, ["noop@1"]) == ["noop"]
