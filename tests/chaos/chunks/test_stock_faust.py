"""Why the ledger: stock Faust commits past an unfinished record and never brings it back. If this fails, Faust was mended."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import faust
import pytest

from streams.chunks import RawSchema, quick_settings
from tests.support.chunk_app import committed, numbers, running, send_all, values
from tests.support.eventually import eventually
from tests.support.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.chaos


@asynccontextmanager
async def stock(bootstrap: str, group: str, topic: str, events: list[Any]) -> AsyncIterator[Any]:
    app = faust.App(group, broker=f"kafka://{bootstrap}", **quick_settings(session_timeout=2.0, commit_interval=0.1))

    @app.agent(app.topic(topic, schema=RawSchema()))
    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            events.append(event)  # noqa: PERF401 (the list is read while this waits)

    await app.start()
    try:
        yield app
    finally:
        await app.stop()


async def test_stock_faust_commits_past_the_record_that_is_not_done(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 1})
    await send_all(bootstrap, topic, numbers(100))
    first: list[Any] = []
    async with stock(bootstrap, group, topic, first):
        await eventually(lambda: len(first) == 100)
        for event in first[1:]:
            event.ack()
        await eventually(lambda: _committed(bootstrap, topic, 100), what="the commit past record 0")
    await send_all(bootstrap, topic, [b"after"])
    second: list[Any] = []
    async with stock(bootstrap, group, topic, second):
        await eventually(lambda: second)
    assert [event.value for event in second] == [b"after"], "record 0 was never done and is lost"


async def test_chunks_bring_the_same_record_back(bootstrap: str, topic_prefix: str) -> None:
    topic = group = topic_prefix
    await create_topics(bootstrap, {topic: 1})
    await send_all(bootstrap, topic, numbers(100))
    first: list[Any] = []
    async with running(bootstrap, group, [topic], first.append, chunk_max=1) as app:
        await eventually(lambda: len(first) == 100)
        for event in first[1:]:
            event.ack()
        await app.consumer.commit()
    second: list[Any] = []
    async with running(bootstrap, group, [topic], second.append):
        await eventually(lambda: numbers(1)[0] in values(second))


async def _committed(bootstrap: str, topic: str, wanted: int) -> bool:
    return await committed(bootstrap, topic, topic) == wanted
