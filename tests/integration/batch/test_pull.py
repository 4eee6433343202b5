"""A job in overflow behind a transaction whose end is not written yet."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.codec import encode
from infra.jobstore.memory import MemoryJobs
from streams.policy.batching import Scheduler
from streams.policy.fill import CatalogCaps
from streams.policy.overflow import Overflow
from streams.pull import Pull
from tests.support.bad_jobs import USED
from tests.support.eventually import eventually
from tests.support.queued import queued_job
from tests.support.schedulers import create_all, settings_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.topics import Topics

pytestmark = pytest.mark.integration

LOOKS = 5
"""At where partitions end, while the job is hidden: two at the start, then one a fetch that brought nothing."""


def counted(pull: Pull) -> list[int]:
    looks: list[int] = []
    ends = pull._ends

    async def noted(places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        found = await ends(places)
        looks.append(len(found))
        return found

    pull._ends = noted  # type: ignore[method-assign]
    return looks


async def brought_back(bootstrap: str, topics: Topics) -> list[str]:
    queue = topics.queue("default", "ordinary")
    async with asyncio.timeout(30):
        reader = AIOKafkaConsumer(
            queue, bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
        )
        await reader.start()
        try:
            return [(await reader.getone()).key.decode()]
        finally:
            await reader.stop()


@pytest.mark.parametrize("known", [True, False], ids=["written by this process", "there before"])
async def test_a_job_that_nobody_may_read_yet_is_not_forgotten(bootstrap: str, topic_prefix: str, known: bool) -> None:
    settings = settings_for(bootstrap, topic_prefix)
    topics = settings.topics
    await create_all(settings)
    overflow = topics.overflow("default")
    other = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic_prefix}-other")
    plain = AIOKafkaProducer(bootstrap_servers=bootstrap)
    scheduler = Scheduler(CatalogCaps(USED), batch_wait_s=0.0, overflow=Overflow(12, topics.overflow_partitions))
    left = asyncio.Event()
    pull = Pull(
        pool="default", topics=topics, brokers=settings.kafka.brokers, store=MemoryJobs(), scheduler=scheduler, left=left,
        clock=time.time,
    )  # fmt: skip
    await asyncio.gather(other.start(), plain.start())
    try:
        await other.begin_transaction()
        await other.send_and_wait(overflow, encode(queued_job("hides")), key=b"hides", partition=0)
        await plain.send_and_wait(overflow, encode(queued_job("hidden")), key=b"hidden", partition=0)
        if known:
            scheduler.overflow.put(("ordinary", "acme"))
            scheduler.overflow.written(0, 1)
        looks = counted(pull)
        pull.start()
        await eventually(lambda: len(looks) >= LOOKS, what="several looks")
        await other.abort_transaction()
        assert await brought_back(bootstrap, topics) == ["hidden"]
        await eventually(lambda: scheduler.overflow.jobs() == 0, what="nothing is thought to be there any more")
    finally:
        pull.leave()
        with suppress(asyncio.CancelledError):
            await pull.stopped()
        await asyncio.gather(other.stop(), plain.stop())
