"""Chunks that were taken before a rebalance: never committed where the partition moved, never lost where it came back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streams.chunks.consume import ChunkConsumer
from tests.support.chunk_app import committed, noting, numbers, running, send_all, values
from tests.support.eventually import eventually
from tests.support.topics import create_topics

pytestmark = pytest.mark.integration

RECORDS = 40


class Member:
    """One worker of the group, which holds everything until told."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.app: Any = None

    def of(self, partition: int) -> list[Any]:
        return [e for e in self.events if e.value.partition == partition]

    def partitions(self) -> set[int]:
        return {tp.partition for tp in self.app.consumer.assignment()}

    def ack(self) -> None:
        for event in self.events:
            event.ack()


async def test_chunks_held_over_a_rebalance(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 2})
    for partition in (0, 1):
        await send_all(bootstrap, topic, numbers(RECORDS), partition)
    old, new = Member(), Member()

    async def commits() -> list[int | None]:
        return [await committed(bootstrap, group, topic, p) for p in (0, 1)]

    async with running(bootstrap, group, [topic], old.events.append, chunk_max=10) as old.app:
        await eventually(lambda: len(values(old.events)) == 2 * RECORDS)
        before = list(old.events)
        async with running(bootstrap, group, [topic], new.events.append, chunk_max=10) as new.app:
            await eventually(lambda: len(old.partitions()) == len(new.partitions()) == 1)
            (kept,), (moved,) = old.partitions(), new.partitions()
            await eventually(lambda: values(new.of(moved)) == numbers(RECORDS), what="the moved partition comes again")
            await eventually(lambda: len(old.events) > len(before), what="the kept partition comes again")

            for event in before:
                event.ack()
            await old.app.consumer.commit()
            await new.app.consumer.commit()
            assert await commits() == [None, None], "acknowledgements from before the rebalance count for nothing"

            await eventually(lambda: values(old.events[len(before) :]) == numbers(RECORDS))
            assert {e.value.partition for e in old.events[len(before) :]} == {kept}
            old.ack()
            new.ack()
            await eventually(lambda: _all(commits(), RECORDS))


async def test_finished_work_is_committed_before_the_partitions_go(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 2})
    for partition in (0, 1):
        await send_all(bootstrap, topic, numbers(RECORDS), partition)
    old, new = Member(), Member()
    async with running(bootstrap, group, [topic], old.events.append, chunk_max=10, commit_interval=3600) as old.app:
        await eventually(lambda: len(values(old.events)) == 2 * RECORDS)
        old.ack()
        async with running(bootstrap, group, [topic], new.events.append, chunk_max=10) as new.app:
            await eventually(lambda: len(old.partitions()) == len(new.partitions()) == 1)
            await send_all(bootstrap, topic, [b"after"], 0)
            await send_all(bootstrap, topic, [b"after"], 1)
            await eventually(lambda: values(new.events) == [b"after"])


async def test_run_that_is_lost_on_its_way_is_read_again(
    bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 1})
    lost: list[Any] = []
    receive = ChunkConsumer._receive

    def lose_every_third(self: ChunkConsumer, run: Any) -> None:
        lost.append(run)
        if len(lost) % 3 != 1:
            receive(self, run)

    monkeypatch.setattr(ChunkConsumer, "_receive", lose_every_third)
    events: list[Any] = []

    async with running(bootstrap, group, [topic], noting(events)):
        for n in range(20):
            await send_all(bootstrap, topic, [b"%d" % n])
            # the very last one may be lost with nothing after it to show the hole
            await eventually(lambda n=n: len(lost) > n)  # type: ignore[misc]
        await eventually(lambda: _more_until(bootstrap, topic, lambda: set(values(events)) >= set(numbers(20))))
    assert len(lost) > 5
    offsets = [record.offset for event in events for record in event.value]
    assert offsets == list(range(len(offsets))), "each once, in order: nothing else is repeated for it"


async def test_seek_before_anything_is_committed_delivers_from_the_beginning(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 1})
    await send_all(bootstrap, topic, numbers(10))
    events: list[Any] = []
    async with running(bootstrap, group, [topic], events.append) as app:
        await eventually(lambda: values(events) == numbers(10))
        await app.consumer.perform_seek()
        await eventually(lambda: values(events) == 2 * numbers(10))
        for event in events:
            event.ack()
        await eventually(lambda: _all(_commits(bootstrap, group, topic), 10))


async def test_chunks_cleared_from_the_queue_of_an_agent_come_again(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 1})
    await send_all(bootstrap, topic, numbers(20))
    events: list[Any] = []
    gate = asyncio.Event()

    async def take(event: Any) -> None:
        events.append(event)
        await gate.wait()
        event.ack()

    async with running(bootstrap, group, [topic], take, chunk_max=10) as app:
        await eventually(lambda: app.consumer.ledger.tail((topic, 0)) == 20 and values(events) == numbers(10))
        app.flow_control.resume()  # what Faust's recovery does, when it comes late
        app.consumer.resume_flow()
        gate.set()
        await eventually(lambda: set(values(events)) == set(numbers(20)))
        await eventually(lambda: _all(_commits(bootstrap, group, topic), 20))


async def _all(found: Any, wanted: int) -> bool:
    return all(offset == wanted for offset in await found)


async def _commits(bootstrap: str, group: str, topic: str) -> list[int | None]:
    return [await committed(bootstrap, group, topic)]


async def _more_until(bootstrap: str, topic: str, enough: Any) -> bool:
    if not enough():
        await send_all(bootstrap, topic, [b"more"])
    return bool(enough())
