"""Parked jobs on their way through the lines, with a clock that the test moves."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from contracts.metrics import Metrics
from contracts.records import Record
from contracts.tenants import Limits, Tenants
from contracts.topics import PARKED_S, Topics
from contracts.work import Outcome, Parked, QueuedJob
from infra.jobstore.memory import MemoryJobs
from infra.limiter.local import LocalLimiter
from streams.gate import Gate, park
from streams.parking.due_only import DueOnly
from streams.parking.release import Release
from streams.policy.limit import Answer
from streams.ports import Move
from streams.tell import Tell
from tests.support.queued import queued_job

TOPICS = Topics()
BEGAN = 1000.0


@dataclass
class Lying:
    """A record as it lies in a partition."""

    value: bytes | None
    offset: int = 0
    topic: str = "parked.default"
    partition: int = 0
    timestamp: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class World:
    """All lines in memory, and what came out of them."""

    tenants: Tenants = field(default_factory=Tenants)
    now: float = BEGAN
    store: MemoryJobs = field(default_factory=MemoryJobs)
    lines: list[deque[bytes]] = field(default_factory=lambda: [deque() for _ in PARKED_S])
    hops: int = 0
    queued: list[tuple[float, QueuedJob]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        limiter = LocalLimiter(clock=lambda: self.now)
        metrics = Metrics(CollectorRegistry())
        self.gate = Gate(limiter, self.tenants, metrics)
        self.release = Release(gate=self.gate, store=self.store, topics=TOPICS, clock=lambda: self.now, metrics=metrics)

    def park(self, id: str, wait_s: float, *, paid: bool = True, **changes: Any) -> None:
        job = queued_job(id, **changes)
        answer = Answer(start_at=self.now + wait_s, wait_s=wait_s, paid=paid)
        self.put([self.gate.onward(Tell(TOPICS, "admit"), job, answer, self.now, None)])

    def put(self, records: list[Record]) -> None:
        for record in records:
            value = record.value or b""
            if record.topic.startswith("parked"):
                assert record.partition is not None
                self.hops += 1
                self.lines[record.partition].append(value)
            elif record.topic.startswith("queue"):
                self.queued.append((self.now, msgspec.json.decode(value, type=QueuedJob)))
            else:
                self.outcomes.append(msgspec.json.decode(value, type=Outcome))

    async def pass_by(self, seconds: float) -> None:
        """Whatever is due, when it is due."""
        end = self.now + seconds
        while (at := min((_look_at(line[0]) for line in self.lines if line), default=end + 1)) <= end:
            self.now = max(self.now, at)
            for line in self.lines:
                due = []
                while line and _look_at(line[0]) <= self.now:
                    due.append(Lying(line.popleft()))
                self.put(await self.release(due) if due else [])
        self.now = end


def _look_at(value: bytes) -> float:
    return msgspec.json.decode(value, type=Parked).look_at


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(min_value=0.001, max_value=5000), max_size=30))
async def test_every_job_queues_at_its_turn_never_before_whoever_is_parked_beside_it(waits: list[float]) -> None:
    world = World()
    for number, wait in enumerate(waits):
        world.park(f"{number}", wait)
    await world.pass_by(5000)
    starts = {job.id: max(at, job.not_before) - BEGAN for at, job in world.queued}
    assert starts == pytest.approx({f"{number}": wait for number, wait in enumerate(waits)}, abs=1e-6)
    assert all(not any(line) for line in world.lines)


async def test_a_long_wait_takes_few_steps_and_the_last_second_is_the_schedulers() -> None:
    world = World()
    world.park("a", 5000.0)
    await world.pass_by(4998)
    assert (world.queued, world.hops <= 16) == ([], True)
    await world.pass_by(2)
    ((at, job),) = world.queued
    assert (round(job.not_before - BEGAN, 6), 4998 < at - BEGAN < 4999.6) == (5000.0, True)


async def test_a_million_jobs_in_front_do_not_delay_one_whose_turn_comes_sooner() -> None:
    world = World()
    for number in range(2000):
        world.park(f"greedy-{number}", 1500.0 + number, tenant="greedy")
    world.park("b", 5.0, tenant="modest")
    await world.pass_by(6)
    assert [job.id for _, job in world.queued] == ["b"]


async def test_a_job_cancelled_while_it_is_parked_does_not_queue() -> None:
    world = World()
    for id in ("gone", "kept"):
        world.park(id, 10.0)
    await world.store.move([Move(tenant="acme", id="gone", to="cancelled", attempt=None, source="0@0", at=1.0)])
    await world.pass_by(11)
    assert [job.id for _, job in world.queued] == ["kept"]


async def test_a_job_that_expires_while_it_is_parked_is_with_the_scheduler_by_then() -> None:
    world = World()
    world.park("a", 300.0, deadline=BEGAN + 20, submitted_at=BEGAN)
    await world.pass_by(20)
    ((at, job),) = world.queued
    assert at < BEGAN + 20 < job.not_before


async def test_a_job_that_expired_while_nobody_looked_is_told_to_have() -> None:
    world = World()
    world.park("a", 300.0, deadline=BEGAN + 20, submitted_at=BEGAN)
    world.now += 60
    await world.pass_by(1)
    assert [(one.id, one.state) for one in world.outcomes] == [("a", "expired")]
    assert world.queued == []


async def test_a_job_whose_turn_has_come_waits_for_the_limit_on_all_together_and_pays_once() -> None:
    world = World(tenants=Tenants(everybody=Limits(jobs_per_s=0.1, burst_jobs=1, backlog_jobs=1)))
    for number in range(4):
        world.park(f"{number}", 2.0, paid=False)
    await world.pass_by(60)
    starts = [max(at, job.not_before) - BEGAN for at, job in world.queued]
    assert [job.id for _, job in world.queued] == ["0", "1", "2", "3"]
    assert starts == pytest.approx([2.0, 11.0, 21.0, 31.0], abs=1.1)


async def test_a_record_that_is_no_parked_job_is_kept_and_holds_nobody_up() -> None:
    world = World()
    parked = park(Tell(TOPICS, "admit"), Parked(start_at=0, look_at=0, job=msgspec.Raw(b"{}")), queued_job("a"), 5.0, 0.0, None)
    for value in (b"{nope", None, parked.value):
        world.put(await world.release([Lying(value)]))
    assert [(one.state, one.silent) for one in world.outcomes] == [("rejected", True)] * 3


class Fetches:
    """A consumer that has these records to give, some at a time."""

    def __init__(self, looks: list[float]) -> None:
        self.left = deque(Lying(msgspec.json.encode({"look_at": at}), n) for n, at in enumerate(looks))

    def committed(self, _: Any) -> None: ...

    def highwater(self, _: Any) -> int:
        return 5

    async def getmany(self, partition: TopicPartition, *, timeout_ms: int, max_records: int) -> Any:
        assert timeout_ms
        return {partition: [self.left.popleft() for _ in range(min(max_records, len(self.left)))]}


async def test_a_line_hands_over_what_is_due_and_keeps_the_rest_in_order() -> None:
    now = 10.0
    place = TopicPartition("parked.default", 1)
    line = DueOnly(Fetches([9.0, 10.0, 10.01, 12.0, 11.0]), lambda: now)

    async def offsets() -> list[int]:
        found = await line.getmany(place, timeout_ms=1, max_records=3)
        return [record.offset for record in found.get(place, [])]

    assert (await offsets(), line.waiting) == ([0, 1], 5)
    assert (await offsets(), line.waiting) == ([], 3)
    now = 11.5
    assert [await offsets() for _ in range(2)] == [[2], []]
    now = 12.5
    assert [await offsets() for _ in range(2)] == [[3, 4], []]
    assert line.waiting == 0
