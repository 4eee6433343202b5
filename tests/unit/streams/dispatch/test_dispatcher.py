"""The dispatcher between a real scheduler and a wire in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from contracts.catalog import Catalog
from contracts.codec import Decoder, encode
from contracts.headers import INVITED
from contracts.metrics import Metrics
from contracts.topics import Topics
from contracts.work import Batch, Outcome, QueuedJob, WorkerReport
from streams.dispatch import Dispatcher, DispatchOptions
from streams.dispatched import Run, Tail
from streams.policy.batching import Scheduler
from streams.policy.fill import CatalogCaps
from streams.policy.overflow import Overflow
from tests.support.eventually import eventually
from tests.support.queued import queued_job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from contracts.records import Record

batch_of = Decoder(Batch)
TOPICS = Topics(batch_partitions=2)


@dataclass
class Ticket:
    """Counts what is done."""

    count: int = 0

    def done(self, n: int = 1) -> None:
        self.count += n


@dataclass
class Incoming:
    """A record of a queue."""

    value: bytes | None
    offset: int
    topic: str = "queue.default.ordinary"
    partition: int = 0
    timestamp: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


class MemoryWire:
    """Takes batches, or refuses them, or holds them back."""

    def __init__(self) -> None:
        self.written: list[Batch] = []
        self.other: list[Record] = []
        self.answers: deque[bool | Exception] = deque()
        self.open = asyncio.Event()
        self.open.set()

    async def batches(self, records: Sequence[Record]) -> list[int | None]:
        await self.open.wait()
        answer = self.answers.popleft() if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        if not answer:
            return [None] * len(records)
        first = len(self.written)
        self.written += [batch_of(record.value) for record in records]
        return [first + number for number in range(len(records))]

    async def others(self, records: Sequence[Record]) -> None:
        await self.open.wait()
        self.other += records


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(kw_only=True)
class Desk:
    """A dispatcher and what is around it."""

    dispatcher: Dispatcher
    wire: MemoryWire
    clock: Clock
    registry: CollectorRegistry
    ticket: Ticket = field(default_factory=Ticket)

    def report(self, *, finished: int = 0, models: tuple[str, ...] = ("noop@1",)) -> None:
        positions = {0: finished}
        at = self.clock()
        report = WorkerReport(worker="w", pool="default", at=at, generation=1, positions=positions, models=list(models), slots=1)
        self.dispatcher.report(report)

    def take(self, *jobs: QueuedJob, start: int = 0) -> None:
        encoded = [Incoming(encode(job), start + number) for number, job in enumerate(jobs)]
        self.dispatcher.take("ordinary", encoded, self.ticket)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def _never(now: float) -> None:
    """A decision that does not come."""


@asynccontextmanager
async def desk(*, window_jobs: float = inf, tail: Tail | None = None, **limits: Any) -> AsyncIterator[Desk]:
    registry = CollectorRegistry()
    metrics, wire, clock = Metrics(registry), MemoryWire(), Clock()
    dispatcher = Dispatcher(
        pool="default",
        topics=TOPICS,
        scheduler=Scheduler(CatalogCaps(Catalog(defaults={}, models=[])), batch_wait_s=0.0, overflow=Overflow(window_jobs, 2)),
        wire=wire,
        metrics=metrics,
        options=DispatchOptions(away_s=6.0, **limits),
        clock=clock,
    )
    dispatcher.take_over(tail or Tail(ends={0: 0, 1: 0}, dispatched=[]))
    loop = asyncio.ensure_future(dispatcher.run())
    await asyncio.sleep(0)  # to where it waits for news
    try:
        yield Desk(dispatcher=dispatcher, wire=wire, clock=clock, registry=registry)
    finally:
        loop.cancel()
        wire.open.set()
        await dispatcher.drain()


async def test_a_record_is_done_only_when_its_batch_is_written() -> None:
    async with desk() as it:
        it.wire.open.clear()
        it.report()
        it.take(queued_job("job-1"))
        await eventually(lambda: not len(it.dispatcher.scheduler.window))
        assert it.ticket.count == 0
        it.wire.open.set()
        await eventually(lambda: it.ticket.count == 1)
        assert [job.id for job in it.wire.written[0].jobs] == ["job-1"]
        assert it.wire.written[0].sources == [("ordinary", 0)]


async def test_a_refused_batch_is_sent_again() -> None:
    async with desk() as it:
        it.wire.answers.append(False)
        it.report()
        it.take(queued_job("job-1"))
        await eventually(lambda: it.ticket.count == 1)
        assert len(it.wire.written) == 1


async def test_a_batch_of_unknown_fate_ends_all_dispatching() -> None:
    async with desk() as it:
        it.wire.answers.append(RuntimeError())
        it.report()
        it.take(queued_job("job-1"))
        await eventually(lambda: it.dispatcher.stuck(60.0))
        it.take(queued_job("job-2"), start=1)
        await asyncio.sleep(0)
        assert not it.dispatcher.active
        assert it.ticket.count == 0


async def test_a_process_that_stood_still_dispatches_nothing_more() -> None:
    async with desk() as it:
        it.take(queued_job("job-1"))
        it.clock.now += 7.0
        it.report()
        await eventually(lambda: "stood still" in (it.dispatcher.stuck(60.0) or ""))
        assert it.wire.written == []


async def test_what_was_dispatched_before_is_done_at_once_by_record_and_by_run() -> None:
    tail = Tail(ends={0: 5, 1: 0}, dispatched=[("ordinary", 0, Run(tenant="acme", id="job-1"))])
    async with desk(tail=tail) as it:
        it.take(queued_job("job-1"), queued_job("job-1"), queued_job("job-2"))
        assert it.ticket.count == 2
        it.report(finished=5)
        await eventually(lambda: it.ticket.count == 3)
        assert [job.id for batch in it.wire.written for job in batch.jobs] == ["job-2"]


async def test_a_worker_with_batches_of_the_last_scheduler_gets_none_on_top() -> None:
    async with desk(tail=Tail(ends={0: 5, 1: 0}, dispatched=[])) as it:
        it.report(finished=4)
        it.take(queued_job("job-1"))
        assert not it.dispatcher.scheduler.could_run(it.clock())
        it.report(finished=5)
        await eventually(lambda: it.ticket.count == 1)


async def test_what_one_tenant_has_no_room_for_goes_to_overflow_and_others_have_room() -> None:
    async with desk(window_jobs=4) as it:
        it.take(*(queued_job(f"job-{number}") for number in range(5)), queued_job("other", tenant="beta"))
        await eventually(lambda: it.ticket.count == 3)
        assert [(one.key, one.headers[0], one.partition) for one in it.wire.other] == [
            (f"job-{offset}".encode(), ("darkroom-source", f"ordinary@{offset}".encode()), 0) for offset in (2, 3, 4)
        ]
        assert {one.topic for one in it.wire.other} == {"overflow.default"}
        held = it.dispatcher.scheduler.window.held["ordinary"]
        assert held == {"acme": 2, "beta": 1}


async def test_large_jobs_take_several_places() -> None:
    async with desk(window_jobs=8) as it:
        it.take(queued_job("large", batch_key="x" * 60_000), queued_job("large-2", batch_key="x" * 60_000))
        await eventually(lambda: it.ticket.count == 1)
        assert it.wire.other[0].key == b"large-2"


async def test_no_more_is_taken_while_much_is_on_its_way_to_overflow() -> None:
    async with desk(window_jobs=2, aside_jobs=2) as it:
        it.wire.open.clear()
        it.take(*(queued_job(f"job-{number}") for number in range(3)))
        waiting = asyncio.ensure_future(it.dispatcher.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        it.wire.open.set()
        await eventually(waiting.done)
        assert it.ticket.count == 2


async def test_a_job_that_comes_back_from_overflow_is_taken_in_and_what_was_set_aside_before_is_not_taken_again() -> None:
    tail = Tail(ends={0: 0, 1: 0}, dispatched=[], aside=[("ordinary", 0)])
    async with desk(window_jobs=2, tail=tail) as it:
        it.take(queued_job("job-0"), queued_job("job-1"), queued_job("job-2"))
        await eventually(lambda: it.ticket.count == 2)
        back = Incoming(encode(queued_job("job-0")), 3, headers=(INVITED,))
        it.dispatcher.take("ordinary", [back], it.ticket)
        assert it.dispatcher.scheduler.window.held["ordinary"] == {"acme": 2}
        assert [one.key for one in it.wire.other] == [b"job-2"]


async def test_a_job_that_waits_for_long_gets_a_new_record_and_keeps_its_place() -> None:
    async with desk() as it:
        it.take(queued_job("old"), queued_job("young"))
        for _ in range(80):
            it.clock.now += 4.0
            it.report(models=("noop@1",), finished=-1)  # a worker that is busy
            await eventually(lambda: it.dispatcher._tidied == it.clock.now)
        await eventually(lambda: it.ticket.count == 2)
        copies = [Incoming(one.value, 2 + number, headers=(one.headers[0],)) for number, one in enumerate(it.wire.other)]
        it.dispatcher.take("ordinary", copies, it.ticket)
        window = it.dispatcher.scheduler.window
        assert [window.find(("acme", name)).arrived for name in ("old", "young")] == [1000.0, 1000.0]  # type: ignore[union-attr]


async def test_an_expired_job_ends_as_an_outcome_and_then_is_done() -> None:
    async with desk() as it:
        it.take(queued_job("job-1", deadline=1001.0))
        it.clock.now = 1002.0
        await eventually(lambda: it.ticket.count == 1)
        outcome = Decoder(Outcome)(it.wire.other[0].value)
        assert (outcome.id, outcome.state, outcome.attempt) == ("job-1", "expired", None)


async def test_jobs_that_no_worker_runs_go_to_the_end_of_their_queue() -> None:
    async with desk() as it:
        it.take(queued_job("job-1", model="absent@1"))
        for _ in range(3):
            it.clock.now += 4.0
            it.report()  # there is a worker, but not for this model
            await eventually(lambda: it.dispatcher._tidied == it.clock.now)
        await eventually(lambda: it.ticket.count == 1)
        again = it.wire.other[0]
        assert (again.topic, again.key) == ("queue.default.ordinary", b"job-1")
        it.dispatcher.take("ordinary", [Incoming(again.value, 1)], it.ticket)
        it.report(models=("absent@1",))
        await eventually(lambda: it.ticket.count == 2)
        assert len(it.wire.written) == 1


async def test_a_loop_that_dispatches_nothing_to_a_free_worker_is_reported_stuck() -> None:
    async with desk() as it:
        it.dispatcher.scheduler.form = _never  # type: ignore[method-assign]
        it.report()
        it.take(queued_job("job-1"))
        assert it.dispatcher.stuck(15.0) is None
        it.clock.now += 4.0
        it.report()
        assert it.dispatcher.stuck(15.0) is None
        it.dispatcher._last_sent -= 15.0
        assert "free worker" in (it.dispatcher.stuck(15.0) or "")


async def test_a_batch_that_never_arrives_is_reported_stuck() -> None:
    async with desk() as it:
        it.wire.open.clear()
        it.report()
        it.take(queued_job("job-1"))
        await eventually(lambda: not len(it.dispatcher.scheduler.window))
        it.clock.now += 121.0
        assert "on its way" in (it.dispatcher.stuck(15.0) or "")


async def test_jobs_that_wait_and_batches_that_left_are_measured() -> None:
    async with desk() as it:
        it.take(queued_job("job-1", submitted_at=999.0), queued_job("job-2", model="absent@1", price_s=2.0))
        it.report()
        await eventually(lambda: it.ticket.count == 1)
        await eventually(lambda: it.value("darkroom_waiting_jobs", pool="default", tier="ordinary") == 1.0)
        assert it.value("darkroom_waiting_gpu_seconds", pool="default", tier="ordinary") == pytest.approx(2.0)
        assert it.value("darkroom_batches_total", pool="default") == 1.0
        assert it.value("darkroom_dispatch_wait_seconds_sum", tier="ordinary") == pytest.approx(1.0)
        assert it.value("darkroom_workers", pool="default") == 1.0


async def test_nothing_is_dispatched_after_the_queues_were_taken_away() -> None:
    async with desk() as it:
        it.take(queued_job("job-1"))
        it.dispatcher.let_go()
        it.report()
        await eventually(lambda: it.value("darkroom_workers", pool="default") == 1.0)
        assert it.wire.written == []
        assert it.ticket.count == 0


async def test_a_loop_that_is_told_to_end_in_the_moment_news_comes_ends() -> None:
    async with desk() as here:
        loop = next(task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") == "Dispatcher.run")
        await asyncio.sleep(0)  # into the wait
        here.report()
        await asyncio.sleep(0)  # the news is there, and the loop has not run since
        loop.cancel()
        _, going = await asyncio.wait([loop], timeout=2)
    assert not going


@pytest.mark.parametrize(("said_s", "held"), [((1.0, 4.0), "yes"), ((4.0, 9.0), "no"), ((0.1, 1.0), "no"), (None, "")])
async def test_jobs_are_counted_by_whether_they_were_done_when_told(said_s: tuple[float, float] | None, held: str) -> None:
    async with desk() as it:
        it.report()
        it.take(queued_job("job-1", admitted_at=it.clock(), forecast_s=2.0, said_s=said_s))
        await eventually(lambda: it.ticket.count == 1)
        it.clock.now += 2.0
        it.report(finished=1)
        it.take(queued_job("job-2"), start=1)
        await eventually(lambda: it.ticket.count == 2)
        counted = {one: it.value("darkroom_eta_total", pool="default", held=one) for one in ("yes", "no")}
        assert counted == {one: 1.0 if one == held else None for one in counted}
