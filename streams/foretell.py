"""foretell: how each pool is → `pools`; from there → what admission says of the jobs that it lets in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from contracts.brokers import Reach
from contracts.codec import Decoder, encode
from contracts.headers import event_headers
from contracts.pools import PoolState
from contracts.publish import Unpublishable
from contracts.records import Publishing, Record
from contracts.topics import STATES_TAIL, Topics
from streams.follow import Following
from streams.policy.batching import Scheduler
from streams.policy.outlook import Outlook

LOOK_S = 0.05
"""Between looks whether there is something to tell."""

state_of = Decoder(PoolState)


class Dispatching(Protocol):
    """The part of a pool's dispatcher that matters here."""

    scheduler: Scheduler
    active: bool


class Foretelling:
    """Of all pools of a process: those that it schedules are told of; what is told of any is known here."""

    def __init__(self, *, brokers: Reach, topics: Topics, publisher: Publishing, clock: Callable[[], float]) -> None:
        self.outlook = Outlook()
        self._pools: Mapping[str, Dispatching] = {}
        self._topic, self._publisher, self._clock = topics.states, publisher, clock
        self._headers = event_headers("pool", "batch")
        self._following = Following(brokers, topics.states, self._learn, tail=STATES_TAIL * len(topics.pools))
        self._task: asyncio.Task[None] | None = None

    async def start(self, pools: Mapping[str, Dispatching]) -> None:
        """Begin to tell of these pools, where their schedulers are active, and to listen."""
        self._pools = pools
        await self._following.start()
        self._task = asyncio.create_task(self._tell(), name="foretell")

    async def stop(self) -> None:
        """Neither any more."""
        await self._following.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now = self._clock()
            active = {name: one.scheduler for name, one in self._pools.items() if one.active}
            states = [state for name, one in active.items() if (state := one.news(name, now)) is not None]
            with suppress(Unpublishable):
                # One at a time: while Kafka is away nothing piles up, and what is told afterwards is new.
                await self._publisher.publish([self._record(state) for state in states])

    def _record(self, state: PoolState) -> Record:
        return Record(self._topic, state.pool.encode(), encode(state), self._headers)

    def _learn(self, record: Any) -> None:
        state = state_of(record.value)
        self.outlook.learn(state)
        pool = self._pools.get(state.pool)
        if pool is not None and not pool.active:
            # Its successor goes on from how forecasts turned out.
            pool.scheduler.foresight.calibration.restore(state.bands)
