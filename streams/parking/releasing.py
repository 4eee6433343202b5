"""The lanes of release: a group of its own that shares out the lines of all pools."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from aiokafka import TopicPartition

from contracts.brokers import Reach
from contracts.metrics import Metrics
from contracts.topics import Topics
from streams.parking.due_only import DueOnly
from streams.parking.release import Release
from streams.policy.limit import FREE
from streams.ports import Limiter
from streams.transactions.lane import Lane
from streams.transactions.lanes import Lanes, new_consumer, transactional

REST_MS = 86_400_000
"""Lanes rest until a record is due, perhaps all of them; that is no reason to leave the group."""


FETCH_WAIT_MS = 200
"""Long enough to cost nothing when nobody is parked; jobs leave their last line a second early."""


SHOW_S = 1.0
"""Between looks at how many are parked, and at the clock."""


class Releasing:
    """Release in a process, from `start` to `stop`."""

    def __init__(
        self, release: Release, limiter: Limiter, brokers: Reach, topics: Topics, session_timeout_s: float, metrics: Metrics
    ) -> None:
        """`limiter`: the one on whose clock jobs were parked."""
        group = topics.group("release")
        self._pools = {topics.parked(pool): pool for pool in topics.pools}
        self._new_consumer = partial(
            new_consumer, brokers, group, session_timeout_s, max_poll_interval_ms=REST_MS, fetch_max_wait_ms=FETCH_WAIT_MS
        )
        self._consumer: Any = None
        self._limiter = limiter
        self._metrics = metrics
        self._lines: dict[TopicPartition, DueOnly] = {}
        self._showing: asyncio.Task[None] | None = None
        self._new_lane = partial(
            Lane,
            group=group,
            settle=release,
            new_producer=transactional(brokers),
            metrics=metrics,
            fenced_pause_s=session_timeout_s,
        )
        self._lanes = Lanes(self._lane)

    async def _show(self) -> None:
        while True:
            await self._hear_the_time()
            ours = self._consumer.assignment()
            for topic, pool in self._pools.items():
                parked = sum(line.waiting for place, line in self._lines.items() if place.topic == topic and place in ours)
                self._metrics.parked.labels(pool).set(parked)
            await asyncio.sleep(SHOW_S)

    async def _hear_the_time(self) -> None:
        """Asking for nothing tells the limiter's clock, which may be another machine's, when nobody else asks."""
        await self._limiter.take((), FREE)

    def _lane(self, partition: TopicPartition) -> Lane:
        line = self._lines[partition] = DueOnly(self._consumer, self._limiter.now)
        return self._new_lane(partition, consumer=line)

    async def start(self) -> None:
        """Join the group. Raises KafkaError if no broker answers."""
        await self._hear_the_time()
        self._consumer = self._new_consumer()
        self._consumer.subscribe(list(self._pools), listener=self._lanes)
        await self._consumer.start()
        self._showing = asyncio.create_task(self._show(), name="parked")

    async def stop(self) -> None:
        """Finish what is under way."""
        if self._showing is not None:
            self._showing.cancel()
        await self._lanes.stop()
        if self._consumer is not None:
            await self._consumer.stop()
