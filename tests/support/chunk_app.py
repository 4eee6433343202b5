"""A Faust app with chunks, running inside the test."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import faust
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.chunks import RawSchema, install_chunks, quick_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence


@asynccontextmanager
async def running(
    bootstrap: str, group: str, topics: Sequence[str], on_event: Callable[[Any], Any], **install: Any
) -> AsyncIterator[Any]:
    """Run an app whose one agent hands every event of the topics to ``on_event``, plain or async; stopped at the end."""
    settings = quick_settings(session_timeout=2.0, commit_interval=install.pop("commit_interval", 0.1))
    app = faust.App(group, broker=f"kafka://{bootstrap}", **settings)
    install_chunks(app, install.pop("chunk_topics", topics), **install)

    @app.agent(app.topic(*topics, schema=RawSchema()))
    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            result = on_event(event)
            if inspect.isawaitable(result):
                await result

    await app.start()
    try:
        yield app
    finally:
        await app.stop()


@asynccontextmanager
async def producing(bootstrap: str, **settings: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **settings)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send_all(bootstrap: str, topic: str, values: Iterable[bytes | None], partition: int = 0, **settings: Any) -> None:
    """Send to one partition and wait for the broker's word on each."""
    async with producing(bootstrap, **settings) as producer:
        sent = [await producer.send(topic, value, partition=partition) for value in values]
        await asyncio.gather(*sent)


async def committed(bootstrap: str, group: str, topic: str, partition: int = 0) -> int | None:
    """What the broker holds as the group's commit; None when there is none."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    found = offsets.get(TopicPartition(topic, partition))
    return None if found is None or found.offset < 0 else int(found.offset)


def numbers(n: int) -> list[bytes]:
    return [b"%d" % i for i in range(n)]


def values(events: Iterable[Any]) -> list[bytes | None]:
    """The values of all records of these events' chunks, in order."""
    return [record.value for event in events for record in event.value]


def noting(events: list[Any]) -> Callable[[Any], None]:
    """An agent that acknowledges at once and keeps what came."""

    def take(event: Any) -> None:
        events.append(event)
        event.ack()

    return take
