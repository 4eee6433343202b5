"""How an agent takes chunks: all that waits at once; finished ones are acknowledged, failing ones tried again, never skipped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from contracts.metrics import Metrics

log = logging.getLogger(__name__)

Work = Callable[[Sequence[Any]], Awaitable[None]]

TOGETHER = 1000
"""Records: chunks are put together until there are as many, if as many wait."""

PAUSE_S = 1.0
"""Before chunks that failed for no known reason are tried again. They stay unacknowledged: lag and the watchdog tell of it."""


async def take_chunks(stream: Any, stage: str, work: Work, metrics: Metrics) -> None:
    """Give the records of all chunks that wait to `work`, and acknowledge them once that is through.

    Under a steady trickle chunks are small, and most of what one costs are its round trips to Kafka and to the job store.
    Taken one by one they would pile up as small as they came; together, work gets cheaper the more of it waits.
    """
    waiting: asyncio.Queue[Any] = asyncio.Queue()  # bounded by the window of chunks that are not acknowledged
    working = asyncio.create_task(_work_through(waiting, stage, work, metrics), name=f"work of {stage}")
    try:
        async for event in stream.noack().events():
            waiting.put_nowait(event)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _work_through(waiting: asyncio.Queue[Any], stage: str, work: Work, metrics: Metrics) -> None:
    took = metrics.stage_time.labels(stage)
    while True:
        events = [await waiting.get()]
        count = len(events[0].value)
        while count < TOGETHER and not waiting.empty():
            events.append(waiting.get_nowait())
            count += len(events[-1].value)
        records = [record for event in events for record in event.value.records]
        with took.time():
            await _until_done(work, records, stage)
        for event in events:
            event.ack()


async def _until_done(work: Work, records: Sequence[Any], stage: str) -> None:
    while True:
        try:
            await work(records)
        except Exception:  # an agent that dies of one takes its partitions with it, so nothing gets past here
            log.exception("%s failed on %d records, trying them again", stage, len(records))
            await asyncio.sleep(PAUSE_S)
        else:
            return
