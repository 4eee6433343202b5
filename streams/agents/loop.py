"""How an agent takes chunks: finished ones are acknowledged, failing ones are tried again, never skipped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from contracts.metrics import Metrics

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Before a chunk that failed for no known reason is tried again. It stays unacknowledged: lag and the watchdog tell of it."""


async def take_chunks(stream: Any, stage: str, work: Callable[[Sequence[Any]], Awaitable[None]], metrics: Metrics) -> None:
    """Give each chunk's records to `work`, one chunk at a time, and acknowledge it once that is through."""
    took = metrics.stage_time.labels(stage)
    async for event in stream.noack().events():
        while True:
            try:
                with took.time():
                    await work(event.value.records)
                break
            except Exception:  # an agent that dies of one takes its partitions with it, so nothing gets past here
                log.exception("%s failed on a chunk of %d records, trying it again", stage, len(event.value))
                await asyncio.sleep(PAUSE_S)
        event.ack()
