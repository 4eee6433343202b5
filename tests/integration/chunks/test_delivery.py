"""What may be in a record, and how records of several partitions come."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from tests.support.chunk_app import committed, noting, numbers, producing, running, send_all, values
from tests.support.eventually import eventually
from tests.support.topics import create_topics

pytestmark = pytest.mark.integration

MIB = 1 << 20


async def test_any_bytes_tombstones_keys_and_headers_arrive_as_sent(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: 1})
    sent = [(b"k", b"v"), (b"k", None), (None, b""), (b"", b"\xff\x00"), (b"\xfe", os.urandom(100))]
    async with producing(bootstrap) as producer:
        for key, value in sent:
            await producer.send_and_wait(topic_prefix, value, key, partition=0, headers=[("h", b"\x80")])
    events: list[Any] = []
    async with running(bootstrap, topic_prefix, [topic_prefix], events.append):
        await eventually(lambda: len(values(events)) == len(sent))
    arrived = [record for event in events for record in event.value]
    assert [(r.key, r.value) for r in arrived] == sent
    assert all(list(r.headers) == [("h", b"\x80")] for r in arrived)
    assert [r.offset for r in arrived] == [0, 1, 2, 3, 4]


async def test_records_of_several_mebibytes_pass(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: 1}, {"max.message.bytes": str(8 * MIB)})
    big = [os.urandom(5 * MIB), b"small", os.urandom(6 * MIB)]
    await send_all(bootstrap, topic_prefix, big, max_request_size=8 * MIB)
    events: list[Any] = []
    async with running(bootstrap, topic_prefix, [topic_prefix], noting(events)):
        await eventually(lambda: len(values(events)) == 3)
        await eventually(lambda: _committed(bootstrap, topic_prefix, 3))
    assert values(events) == big


async def test_busy_topic_does_not_keep_a_quiet_one_waiting(bootstrap: str, topic_prefix: str) -> None:
    busy, quiet = f"{topic_prefix}-busy", f"{topic_prefix}-quiet"
    await create_topics(bootstrap, {busy: 2, quiet: 1})
    for partition in (0, 1):
        await send_all(bootstrap, busy, [bytes(600)] * 6000, partition, linger_ms=5)
    await send_all(bootstrap, quiet, numbers(3))
    order: list[tuple[str, int]] = []

    async def take(event: Any) -> None:
        order.append((event.value.topic, event.value.partition))
        event.ack()
        await asyncio.sleep(0)

    async with running(bootstrap, topic_prefix, [busy, quiet], take, chunk_max=50, window=200):
        await eventually(lambda: len(order) >= 2 * 6000 // 50 + 1)
    turns = [place for place in order if place[0] == busy]
    assert order.index((quiet, 0)) < len(order) // 2
    assert max(turns.index((busy, p)) for p in (0, 1)) < len(turns) // 2, "both partitions begin long before one has ended"


async def test_topics_not_named_come_record_by_record(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: 1})
    await send_all(bootstrap, topic_prefix, [b"a", b"b"])
    events: list[Any] = []
    async with running(bootstrap, topic_prefix, [topic_prefix], noting(events), chunk_topics=[]):
        await eventually(lambda: len(events) == 2)
        await eventually(lambda: _committed(bootstrap, topic_prefix, 2))
    assert [(e.value, e.message.offset) for e in events] == [(b"a", 0), (b"b", 1)]


async def test_aborted_transactions_are_not_delivered_and_do_not_look_like_lag(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: 1})
    async with producing(bootstrap, transactional_id=topic_prefix) as producer:
        async with producer.transaction():
            await producer.send(topic_prefix, b"kept", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(topic_prefix, b"aborted", partition=0)
        await producer.abort_transaction()
    events: list[Any] = []
    async with running(bootstrap, topic_prefix, [topic_prefix], noting(events)) as app:
        await eventually(lambda: _nothing_left(app), within=10)
    assert values(events) == [b"kept"]


async def test_record_on_an_idle_topic_arrives_at_once(bootstrap: str, topic_prefix: str) -> None:
    topics = [f"{topic_prefix}-{i}" for i in range(5)]
    await create_topics(bootstrap, dict.fromkeys(topics, 1))
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[float] = asyncio.Queue()
    delays: list[float] = []

    def note_time(event: Any) -> None:
        event.ack()
        arrived.put_nowait(loop.time())

    async with (
        producing(bootstrap) as producer,
        running(bootstrap, topic_prefix, topics, note_time) as app,
    ):
        await eventually(lambda: app.consumer.assignment() == {(topic, 0) for topic in topics})
        for n in range(40):
            await producer.send_and_wait(topics[n % 5], b"x", partition=0)
            sent = loop.time()
            delays.append(await asyncio.wait_for(arrived.get(), 10) - sent)
    assert sorted(delays)[len(delays) // 2] < 0.1, "far from the fixed one-second waits, with room for a busy machine"


async def _committed(bootstrap: str, topic: str, wanted: int) -> bool:
    return await committed(bootstrap, topic, topic) == wanted


async def _nothing_left(app: Any) -> bool:
    sights = await app.consumer.sights()
    return bool(sights) and all(s.position == s.end for s in sights)
