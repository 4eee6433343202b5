"""The broker goes away and comes back; the worker stays, and nothing is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.chunk_app import committed, numbers, running, send_all, values
from tests.support.eventually import eventually
from tests.support.topics import create_topics

if TYPE_CHECKING:
    from infra.local.kafka import LocalKafka

pytestmark = pytest.mark.integration


@pytest.mark.timeout(180)
async def test_worker_outlives_a_broker_that_is_killed_and_started_again(own_kafka: LocalKafka, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(own_kafka.bootstrap, {topic: 2})
    for partition in (0, 1):
        await send_all(own_kafka.bootstrap, topic, numbers(100), partition)
    events: list[Any] = []
    reasons: list[str] = []
    async with running(own_kafka.bootstrap, group, [topic], events.append, chunk_max=10, on_stuck=reasons.append) as app:
        await eventually(lambda: len(values(events)) == 200)
        for event in events[:5]:
            event.ack()
        await app.consumer.commit()
        await asyncio.to_thread(own_kafka.kill9)
        for event in events[5:10]:
            event.ack()
        await asyncio.to_thread(own_kafka.start, 90)
        await send_all(own_kafka.bootstrap, topic, [b"after"], 0)
        await eventually(lambda: b"after" in values(events), within=60)
        for event in events:
            event.ack()

        async def everything_committed() -> bool:
            for event in events:
                event.ack()
            return [await committed(own_kafka.bootstrap, group, topic, p) for p in (0, 1)] == [101, 100]

        await eventually(everything_committed, within=60)
        assert not app.should_stop
    assert reasons == []
