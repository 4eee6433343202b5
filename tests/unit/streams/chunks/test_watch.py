"""Looking after a consumer that is being stopped."""

from __future__ import annotations

import time
from typing import Any

from streams.chunks.ledger import Ledger
from streams.chunks.watch import Watch, keep_watch


class Stopping:
    """A consumer that is told to stop while its watch sleeps. Its thread may be gone by then."""

    def __init__(self) -> None:
        self.ledger = Ledger(time.monotonic)
        self.app: Any = self
        self.rebalancing = False
        self.should_stop = False
        self.looks = 0

    async def sleep(self, _: float) -> None:
        self.should_stop = True

    async def sights(self) -> list[Any]:
        self.looks += 1
        return []


async def test_nobody_asks_a_consumer_that_was_stopped_meanwhile() -> None:
    consumer = Stopping()
    await keep_watch(consumer, Watch(stuck_after={}))  # type: ignore[arg-type]
    assert consumer.looks == 0
