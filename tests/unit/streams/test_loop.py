from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from prometheus_client import CollectorRegistry

from contracts.metrics import Metrics
from streams.agents import loop
from streams.agents.loop import TOGETHER, take_chunks
from streams.chunks.chunk import Chunk
from tests.support.eventually import eventually


@dataclass
class Event:
    value: Chunk
    acked: bool = False

    def ack(self) -> None:
        self.acked = True


class Stream:
    """Faust's stream as far as an agent without automatic acknowledgement sees it."""

    def __init__(self) -> None:
        self.sent: list[Event] = []
        self._queue: asyncio.Queue[Event] = asyncio.Queue()

    def send(self, *records: int, partition: int = 0) -> Event:
        event = Event(Chunk("jobs", partition, records))
        self.sent.append(event)
        self._queue.put_nowait(event)
        return event

    def noack(self) -> Self:
        return self

    async def events(self) -> AsyncIterator[Event]:
        while True:
            yield await self._queue.get()


@dataclass
class Work:
    """Notes what it gets, and goes on when it may."""

    got: list[list[int]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    errors: list[Exception] = field(default_factory=list)

    async def __call__(self, records: Sequence[Any]) -> None:
        self.got.append(list(records))
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop()


@asynccontextmanager
async def agent() -> AsyncIterator[tuple[Stream, Work]]:
    stream, work = Stream(), Work()
    task = asyncio.create_task(take_chunks(stream, "admit", work, Metrics(CollectorRegistry())))
    try:
        yield stream, work
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_came_while_a_chunk_was_worked_on_is_taken_together_in_order() -> None:
    async with agent() as (stream, work):
        first = stream.send(0)
        await eventually(lambda: work.got == [[0]])
        rest = [stream.send(n, n + 1, partition=n % 4) for n in range(1, 99, 2)]
        await eventually(stream._queue.empty)
        assert not first.acked
        work.gate.set()
        await eventually(lambda: all(event.acked for event in (first, *rest)))
    assert work.got == [[0], list(range(1, 99))]


async def test_no_more_than_a_bounded_number_is_taken_together() -> None:
    async with agent() as (stream, work):
        stream.send(0)
        await eventually(lambda: work.got == [[0]])
        for n in range(25):
            stream.send(*range(n * 100, n * 100 + 100))
        work.gate.set()
        await eventually(lambda: all(event.acked for event in stream.sent))
    assert [len(one) for one in work.got] == [1, TOGETHER, TOGETHER, 500]


async def test_what_fails_is_tried_again_whole_before_anything_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PAUSE_S", 0.0)
    async with agent() as (stream, work):
        work.errors = [ValueError("one"), ValueError("two")]
        work.gate.set()
        event = stream.send(1, 2, 3)
        await eventually(lambda: event.acked)
    assert work.got == [[1, 2, 3]] * 3


async def test_what_was_not_finished_when_the_agent_ends_is_not_acknowledged() -> None:
    async with agent() as (stream, work):
        stream.send(1)
        await eventually(lambda: work.got == [[1]])
        stream.send(2)
    work.gate.set()
    await asyncio.sleep(0)
    assert not any(event.acked for event in stream.sent)
