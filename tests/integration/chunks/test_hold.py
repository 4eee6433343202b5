"""Nothing past a held chunk is committed, whoever holds it and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streams.chunks import Hold
from tests.support.chunk_app import committed, numbers, running, send_all, values
from tests.support.eventually import eventually
from tests.support.topics import create_topics

pytestmark = pytest.mark.integration


async def test_held_first_chunk_keeps_the_commit_and_comes_back_after_a_restart(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 1})
    await send_all(bootstrap, topic, numbers(100))
    first: list[Any] = []
    async with running(bootstrap, group, [topic], first.append, chunk_max=10) as app:
        await eventually(lambda: len(values(first)) == 100)
        for event in first[1:]:
            event.ack()
        await app.consumer.commit()
        assert await committed(bootstrap, group, topic) is None

    again: list[Any] = []
    async with running(bootstrap, group, [topic], again.append, chunk_max=10) as app:
        await eventually(lambda: len(values(again)) == 100)
        assert values(again) == numbers(100)
        for event in again:
            event.ack()
        await eventually(lambda: _is(committed(bootstrap, group, topic), 100))


async def test_commit_follows_the_finished_prefix_in_whatever_order_the_records_end(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 1})
    await send_all(bootstrap, topic, numbers(30))
    holds: list[Hold] = []
    async with running(bootstrap, group, [topic], lambda e: holds.append(Hold(e)), chunk_max=10) as app:
        await eventually(lambda: len(holds) == 3)
        holds[2].done(10)
        holds[0].done(9)
        await app.consumer.commit()
        assert await committed(bootstrap, group, topic) is None
        holds[0].done(1)
        await eventually(lambda: _is(committed(bootstrap, group, topic), 10))
        holds[1].done(10)
        await eventually(lambda: _is(committed(bootstrap, group, topic), 30))


async def test_what_is_finished_is_committed_when_the_app_stops(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 1})
    await send_all(bootstrap, topic, numbers(20))
    events: list[Any] = []
    async with running(bootstrap, group, [topic], events.append, chunk_max=10):
        await eventually(lambda: len(events) == 2)
        events[0].ack()
    assert await committed(bootstrap, group, topic) == 10


async def test_acknowledgement_after_the_stop_is_harmless(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 1})
    await send_all(bootstrap, topic, numbers(20))
    events: list[Any] = []
    async with running(bootstrap, group, [topic], events.append, chunk_max=10, window=10):
        await eventually(lambda: len(events) == 1)
    events[0].ack()
    assert await committed(bootstrap, group, topic) is None


async def test_full_window_stops_its_partition_alone_and_goes_on_with_room(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 2})
    for partition in (0, 1):
        await send_all(bootstrap, topic, numbers(500), partition)
    held: list[Any] = []
    passed: list[Any] = []

    def take(event: Any) -> None:
        if event.value.partition == 0:
            held.append(event)
        else:
            passed.append(event)
            event.ack()

    async with running(bootstrap, group, [topic], take, chunk_max=10, window=50):
        await eventually(lambda: values(passed) == numbers(500))
        await eventually(lambda: len(held) >= 5)
        assert len(values(held)) == 50
        acked = 0
        while len(values(held)) < 500 or acked < len(held):
            await eventually(lambda acked=acked: len(held) > acked)  # type: ignore[misc]
            held[acked].ack()
            acked += 1
            assert len(values(held[acked:])) <= 50
        assert values(held) == numbers(500)
        await eventually(lambda: _is(committed(bootstrap, group, topic, 0), 500))


async def test_slow_agent_gets_everything_through_a_small_window(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 3})
    for partition in range(3):
        await send_all(bootstrap, topic, numbers(300), partition)
    events: list[Any] = []

    async def slowly(event: Any) -> None:
        await asyncio.sleep(0.001)
        events.append(event)
        event.ack()

    async with running(bootstrap, group, [topic], slowly, chunk_max=7, window=7):
        await eventually(lambda: len(values(events)) == 900, within=20)
    for partition in range(3):
        assert values(e for e in events if e.value.partition == partition) == numbers(300)


async def _is(found: Any, wanted: int) -> bool:
    return bool(await found == wanted)
