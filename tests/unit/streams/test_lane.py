"""A lane's order of doing things, seen when the process dies in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from contracts.metrics import Metrics
from streams.settle import Settled
from streams.transactions.lane import Lane

HERE = TopicPartition("outcomes", 0)


class Killed(BaseException):
    """The end of the process."""


@dataclass
class Outcome:
    offset: int = 7


class OneChunk:
    """A consumer that hands out one record."""

    async def getmany(self, *_: Any, **__: Any) -> dict[TopicPartition, list[Outcome]]:
        return {HERE: [Outcome()]}


class DiesOnceCommitted:
    """A producer whose process is killed the moment its transaction is through."""

    async def begin_transaction(self) -> None: ...

    async def send_offsets_to_transaction(self, *_: Any) -> None: ...

    async def commit_transaction(self) -> None:
        raise Killed


@dataclass
class Objects:
    removed: list[str] = field(default_factory=list)

    async def remove(self, keys: Sequence[str]) -> None:
        self.removed += keys


async def test_a_chunk_is_committed_only_when_the_objects_of_its_late_runs_are_gone() -> None:
    objects = Objects()

    async def settle(_: Sequence[Any]) -> Settled:
        return Settled(records=[], orphans=["acme/late.png"])

    lane = Lane(
        HERE,
        consumer=OneChunk(),
        group="settle",
        settle=settle,
        new_producer=lambda _: None,
        remover=objects,
        metrics=Metrics(CollectorRegistry()),
        fenced_pause_s=1.0,
    )
    with pytest.raises(Killed):
        await lane._step(DiesOnceCommitted())
    assert objects.removed == ["acme/late.png"], "nobody will ever look at this chunk again"
