"""A pool's scheduler in a consumer group: it takes over when the queues are assigned, and lets go when they are revoked."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from contracts.events import Tier
from contracts.topics import Topics
from streams.chunks import Hold
from streams.dispatch import TICK_S, Dispatcher
from streams.dispatched import Tail, read_tail
from streams.pull import Pull
from streams.wire import KafkaWire

log = logging.getLogger(__name__)

STUCK_S = 15.0
"""A free worker, a job for it, and no batch for so long: this process is given up and a standby takes over."""

PAUSE_S = 0.5
"""Between attempts to read the tail of a Kafka that does not answer."""


class PoolScheduler:
    """One pool's dispatcher with what keeps it going: its loop, its takeovers, its alarm, what comes back from overflow."""

    def __init__(
        self, dispatcher: Dispatcher, pull: Pull, wire: KafkaWire, topics: Topics, give_up: Callable[[str], None]
    ) -> None:
        self.dispatcher = dispatcher
        self._pull = pull
        self._wire = wire
        self._topics = topics
        self._give_up = give_up
        self._ready = asyncio.Event()
        self._turn = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._takeover: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to decide and to watch. Nothing is dispatched before the queues are assigned."""
        self._tasks = [asyncio.ensure_future(work) for work in (self.dispatcher.run(), self._watch())]

    async def stop(self) -> None:
        """Decide nothing more; let what is being sent arrive, to be acknowledged before the app commits and leaves."""
        self.dispatcher.active = False
        for task in (*self._tasks, *([self._takeover] if self._takeover else [])):
            task.cancel()
        self._pull.leave()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.dispatcher.drain()
        await self._pull.stopped()
        await self._wire.stop()

    def lose(self) -> None:
        """The queues are taken away, perhaps to be given back at once."""
        self._turn += 1
        self._ready.clear()
        self._pull.leave()
        self.dispatcher.let_go()
        if self._takeover is not None:
            self._takeover.cancel()

    def win(self) -> None:
        """The queues are assigned to this process."""
        self.lose()
        self._takeover = asyncio.ensure_future(self._take_over())

    async def take(self, tier: Tier, event: Any, generation: Callable[[], int]) -> None:
        """A chunk of a queue came: returns when the window has taken it, or when it is not to be taken any more."""
        turn = self._turn
        await self._ready.wait()
        await self.dispatcher.room()
        if turn == self._turn and event.message.generation_id == generation():
            self.dispatcher.take(tier, event.value.records, Hold(event))

    async def _take_over(self) -> None:
        began = time.monotonic()
        await self._pull.stopped()
        await self.dispatcher.drain()  # what is on its way must be in the tail, or be known not to have arrived
        tail = await self._tail()
        self._wire.learn(tail.ends)
        self.dispatcher.take_over(tail)
        self._ready.set()
        self._pull.start()
        took = time.monotonic() - began
        log.info("scheduling %s: %d jobs were dispatched before, %.2f s", self.dispatcher.pool, len(tail.dispatched), took)

    async def _tail(self) -> Tail:
        while True:
            try:
                return await read_tail(self._wire.brokers, self._topics, self.dispatcher.pool)
            except Exception as error:  # noqa: BLE001  # whatever keeps Kafka from answering, there is no going on without it
                log.warning("the tail of batches cannot be read yet (%s)", type(error).__name__)
                await asyncio.sleep(PAUSE_S)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if reason := self.dispatcher.stuck(STUCK_S):
                self._give_up(f"{self.dispatcher.pool}: {reason}")
