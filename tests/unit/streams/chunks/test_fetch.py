"""The wait for records ends as soon as anything changes. Its aiokafka is a stand-in that never has any."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from streams.chunks.fetch import FetchThread
from streams.chunks.ledger import Partition

LONG = 30.0  # seconds; nothing here takes them
JOBS = Partition("jobs", 0)


@pytest.fixture
async def thread() -> FetchThread:
    loop = asyncio.get_running_loop()
    subscription = SimpleNamespace(fetch_context=contextlib.nullcontext, reassignment_in_progress=True)
    fetcher = SimpleNamespace(_closed=False, _create_fetch_waiter=loop.create_future)
    thread: Any = FetchThread.__new__(FetchThread)
    thread._consumer = SimpleNamespace(_closed=False, _subscription=subscription, _fetcher=fetcher)
    thread.consumer = SimpleNamespace(flow_active=True)
    thread.thread_loop = loop
    thread._news = asyncio.Event()
    return thread


async def polled(thread: FetchThread) -> list[Any]:
    async with asyncio.timeout(5):
        return await thread._poll(LONG)


async def test_news_during_the_wait_ends_it(thread: FetchThread) -> None:
    poll = asyncio.ensure_future(polled(thread))
    await asyncio.sleep(0)
    thread.wake()
    assert await poll == []


async def test_news_before_the_poll_begins_is_not_lost(thread: FetchThread) -> None:
    thread._news.set()
    assert await polled(thread) == []
    assert not thread._news.is_set()


async def test_one_more_wanted_partition_is_news_and_fewer_are_not(thread: FetchThread) -> None:
    thread.want([JOBS])
    assert await polled(thread) == []
    thread.want([])
    await asyncio.sleep(0)
    assert not thread._news.is_set()


async def test_authorization_error_is_raised_to_the_caller(thread: FetchThread) -> None:
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(PermissionError())
    thread._consumer._fetcher._create_fetch_waiter = lambda: failed
    with pytest.raises(PermissionError):
        await polled(thread)


async def test_nothing_is_left_running_after_the_wait(thread: FetchThread) -> None:
    thread._news.set()
    await polled(thread)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
