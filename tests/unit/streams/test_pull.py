"""Jobs on their way back from overflow when Kafka fails in the middle."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import KafkaConnectionError

import streams.pull as pull_module
from contracts.codec import encode
from contracts.topics import Topics
from infra.jobstore.memory import MemoryJobs
from streams.policy.batching import Scheduler
from streams.policy.fill import CatalogCaps
from streams.policy.overflow import Overflow
from streams.pull import Aside, Pull, head_of
from tests.support.bad_jobs import USED
from tests.support.queued import queued_job

if TYPE_CHECKING:
    from collections.abc import Sequence

    import contracts.records

ROOM = 12


@dataclass
class Record:
    value: bytes
    key: bytes = b"key"
    partition: int = 0
    offset: int = 0


class Away:
    """A producer whose broker is gone."""

    async def begin_transaction(self) -> None:
        raise KafkaConnectionError


class Quick:
    """A producer; what it writes to queues has been run before anybody looks again."""

    def __init__(self, overflow: Overflow) -> None:
        self.ran: list[str] = []
        self._overflow = overflow

    async def write(self, _: Any, records: Sequence[contracts.records.Record]) -> None:
        heads = [head_of(one.value) for one in records if "queue." in one.topic]
        for head in heads:
            self._overflow.expected_no_more((head.tier, head.tenant))
            self.ran.append(head.tenant)

    async def begin_transaction(self) -> None: ...

    async def send_offsets_to_transaction(self, *_: Any) -> None: ...

    async def commit_transaction(self) -> None: ...


def pulling(partitions: int = 1) -> tuple[Scheduler, Pull]:
    scheduler = Scheduler(CatalogCaps(USED), batch_wait_s=0.0, overflow=Overflow(ROOM, partitions))
    pull = Pull(
        pool="default",
        topics=Topics(),
        brokers="127.0.0.1:1",
        store=MemoryJobs(),
        scheduler=scheduler,
        left=asyncio.Event(),
        clock=itertools.count(1).__next__,
    )
    return scheduler, pull


async def test_steps_that_fail_keep_no_places_of_the_window() -> None:
    scheduler, pull = pulling()
    body = encode(queued_job("a"))
    aside = Aside(Record(body), head_of(body))
    wanted = scheduler.overflow.invites(aside.owner, scheduler.window)
    for _ in range(ROOM):
        with pytest.raises(KafkaConnectionError):
            await pull._bring_back(Away(), [aside])
    assert scheduler.overflow.invites(aside.owner, scheduler.window) == wanted > 0


async def test_who_is_behind_jobs_that_run_faster_than_they_are_brought_back_does_not_wait_for_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scheduler, pull = pulling()
    pull._front[0] = deque()
    for number, tenant in enumerate(["bert"] * 100 + ["cleo"] * 20):
        place = scheduler.overflow.put(("ordinary", tenant))
        scheduler.overflow.written(place, 1)
        body = encode(queued_job(f"{tenant}-{number}", tenant=tenant))
        pull._front[0].append(Aside(Record(body, offset=number), head_of(body)))
    producer = Quick(scheduler.overflow)
    monkeypatch.setattr(pull_module, "write", producer.write)
    while "cleo" not in producer.ran:
        assert await pull._step(producer)
    assert len(producer.ran) < 100 / 2


async def test_two_who_come_back_in_one_round_leave_room_for_a_third() -> None:
    _, pull = pulling(partitions=2)
    for partition, tenant in enumerate(("acme", "bert")):
        body = encode(queued_job("a", tenant=tenant))
        pull._front[partition] = deque(Aside(Record(body, partition=partition), head_of(body)) for _ in range(ROOM))
    chosen = Counter(aside.owner[1] for aside in pull._choose())
    assert chosen == {"acme": ROOM // 2, "bert": ROOM // 4}
