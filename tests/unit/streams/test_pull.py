"""Jobs on their way back from overflow when Kafka fails in the middle."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from aiokafka.errors import KafkaConnectionError

from contracts.codec import encode
from contracts.topics import Topics
from infra.jobstore.memory import MemoryJobs
from streams.policy.batching import Scheduler
from streams.policy.fill import CatalogCaps
from streams.policy.overflow import Overflow
from streams.pull import Aside, Pull, head_of
from tests.support.bad_jobs import USED
from tests.support.queued import queued_job

ROOM = 12


@dataclass
class Record:
    value: bytes
    partition: int = 0
    offset: int = 0


class Away:
    """A producer whose broker is gone."""

    async def begin_transaction(self) -> None:
        raise KafkaConnectionError


async def test_steps_that_fail_keep_no_places_of_the_window() -> None:
    scheduler = Scheduler(CatalogCaps(USED), batch_wait_s=0.0, overflow=Overflow(ROOM, 1))
    pull = Pull(
        pool="default",
        topics=Topics(),
        brokers="127.0.0.1:1",
        store=MemoryJobs(),
        scheduler=scheduler,
        left=asyncio.Event(),
        clock=lambda: 1.0,
    )
    body = encode(queued_job("a"))
    aside = Aside(Record(body), head_of(body))
    wanted = scheduler.overflow.invites(aside.owner, scheduler.window)
    for _ in range(ROOM):
        with pytest.raises(KafkaConnectionError):
            await pull._bring_back(Away(), [aside])
    assert scheduler.overflow.invites(aside.owner, scheduler.window) == wanted > 0
