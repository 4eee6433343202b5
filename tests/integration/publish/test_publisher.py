from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts import publish
from contracts.publish import Publisher, Unpublishable, write
from contracts.records import Record
from infra.local.kafka import LocalKafka
from tests.support.eventually import eventually
from tests.support.topics import create_topics

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

PARTITIONS = 4


async def read(bootstrap: str, topic: str) -> list[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    places = [TopicPartition(topic, n) for n in range(PARTITIONS)]
    consumer.assign(places)
    await consumer.seek_to_beginning(*places)
    ends = await consumer.end_offsets(places)
    found: list[Any] = []
    while len(found) < sum(ends.values()):
        for records in (await consumer.getmany(timeout_ms=100)).values():
            found += records
    await consumer.stop()
    return found


async def test_records_go_where_any_other_client_sends_their_keys(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: PARTITIONS})
    keys = [f"job-{n}".encode() for n in range(100)]
    async with Publisher(bootstrap) as publisher:
        await publisher.publish([Record(topic_prefix, key, b"ours") for key in keys])
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    await asyncio.gather(*[await producer.send(topic_prefix, b"theirs", key) for key in keys])
    await producer.stop()
    placed: dict[bytes, set[tuple[int, bytes]]] = {}
    for one in await read(bootstrap, topic_prefix):
        placed.setdefault(one.key, set()).add((one.partition, one.value))
    assert all(len({partition for partition, _ in found}) == 1 for found in placed.values())
    assert all({who for _, who in found} == {b"ours", b"theirs"} for found in placed.values())


async def test_records_keep_their_order_headers_and_empty_values_over_many_batches(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: PARTITIONS})
    body = b"x" * 20_000
    records = [Record(topic_prefix, b"one", b"%d " % n + body, [("n", b"%d" % n)]) for n in range(100)]
    async with Publisher(bootstrap) as publisher:
        await publisher.publish([*records, Record(topic_prefix, b"one", None)])
    found = await read(bootstrap, topic_prefix)
    assert [one.value and one.value.split()[0] for one in found] == [*(b"%d" % n for n in range(100)), None]
    assert [dict(one.headers).get("n") for one in found[:100]] == [b"%d" % n for n in range(100)]


async def test_what_kafka_will_never_take_is_refused_and_the_next_chunk_goes_through(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: PARTITIONS}, {"max.message.bytes": "10000"})
    async with Publisher(bootstrap) as publisher:
        with pytest.raises(Unpublishable):
            await publisher.publish([Record(topic_prefix, b"a", b"x" * 100_000)])
        await publisher.publish([Record(topic_prefix, b"a", b"small")])
    assert [one.value for one in await read(bootstrap, topic_prefix)] == [b"small"]


async def test_several_tasks_share_one_publisher(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: PARTITIONS})
    async with Publisher(bootstrap) as publisher:
        chunks = [[Record(topic_prefix, b"%d-%d" % (task, n), b"") for n in range(50)] for task in range(10)]
        await asyncio.gather(*(publisher.publish(chunk) for chunk in chunks))
    found = await read(bootstrap, topic_prefix)
    assert len({one.key for one in found}) == len(found) == 500


async def test_a_thousand_small_chunks_at_once_take_a_few_writes_and_are_written_once_each(
    bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # aiokafka lets one batch a partition into each request and, in the end, times out the others that wait for a place.
    writes: list[int] = []

    async def counted(producer: AIOKafkaProducer, records: Sequence[Record]) -> publish.Ends:
        writes.append(len(records))
        return await write(producer, records)

    monkeypatch.setattr(publish, "write", counted)
    await create_topics(bootstrap, {topic_prefix: PARTITIONS})
    async with Publisher(bootstrap) as publisher:
        await asyncio.gather(*(publisher.publish([Record(topic_prefix, b"%d" % n, b"")]) for n in range(3000)))
    found = await read(bootstrap, topic_prefix)
    assert len({one.key for one in found}) == len(found) == 3000
    assert sum(writes) == 3000
    assert len(writes) < 50


async def test_what_is_asked_for_just_as_all_writers_end_is_written_without_anybody_asking_again(
    bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_topics(bootstrap, {topic_prefix: PARTITIONS})
    begun, written, all_written = 0, 0, asyncio.get_running_loop().create_future()

    async def held(producer: AIOKafkaProducer, records: Sequence[Record]) -> Any:
        nonlocal begun, written
        begun += 1
        ends = await write(producer, records)
        written += 1
        if written == publish.WRITERS:
            asyncio.get_running_loop().call_soon(all_written.set_result, None)
        await all_written  # they end in one turn of the loop
        return ends

    async def caller(name: int) -> None:
        await eventually(lambda: begun == name)
        await publisher.publish([Record(topic_prefix, b"%d" % name, b"first")])
        if name == 0:
            await publisher.publish([Record(topic_prefix, b"again", b"second")])

    monkeypatch.setattr(publish, "write", held)
    async with Publisher(bootstrap) as publisher, asyncio.timeout(60):
        await asyncio.gather(*(caller(name) for name in range(publish.WRITERS)))
    assert len(await read(bootstrap, topic_prefix)) == publish.WRITERS + 1


async def test_of_several_chunks_written_together_only_the_one_that_kafka_refuses_fails(
    bootstrap: str, topic_prefix: str
) -> None:
    await create_topics(bootstrap, {topic_prefix: PARTITIONS}, {"max.message.bytes": "10000"})
    async with Publisher(bootstrap) as publisher:
        chunks = [[Record(topic_prefix, b"%d" % n, b"x" * (100_000 if n == 5 else 10))] for n in range(10)]
        ends = await asyncio.gather(*(publisher.publish(chunk) for chunk in chunks), return_exceptions=True)
    assert [type(end).__name__ for end in ends] == ["NoneType"] * 5 + ["Unpublishable"] + ["NoneType"] * 4
    assert {one.key for one in await read(bootstrap, topic_prefix)} == {b"%d" % n for n in range(10) if n != 5}


async def test_a_caller_that_gives_up_and_one_that_is_wrong_leave_the_others_alone(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: PARTITIONS})
    async with Publisher(bootstrap) as publisher:
        calls = [asyncio.ensure_future(publisher.publish([Record(topic_prefix, b"%d" % n, b"")])) for n in range(5)]
        await asyncio.sleep(0)
        calls[3].cancel()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        with pytest.raises(TypeError):
            await publisher.publish([Record(topic_prefix, b"", "no bytes")])  # type: ignore[arg-type]
        await publisher.publish([Record(topic_prefix, b"after", b"")])
    assert [type(end).__name__ for end in ends] == ["NoneType"] * 3 + ["CancelledError", "NoneType"]
    assert {b"0", b"1", b"2", b"4", b"after"} <= {one.key for one in await read(bootstrap, topic_prefix)}


async def test_a_broker_that_dies_and_comes_back_costs_no_record(own_kafka: LocalKafka, topic_prefix: str) -> None:
    await create_topics(own_kafka.bootstrap, {topic_prefix: PARTITIONS})
    async with Publisher(own_kafka.bootstrap) as publisher:
        await publisher.publish([Record(topic_prefix, b"before", b"")])
        own_kafka.kill9()
        chunk = [Record(topic_prefix, b"%d" % n, b"") for n in range(100)]
        publishing = asyncio.create_task(publisher.publish(chunk))
        await asyncio.to_thread(own_kafka.start)
        await publishing
    assert {one.key for one in await read(own_kafka.bootstrap, topic_prefix)} == {b"before", *(record.key for record in chunk)}
