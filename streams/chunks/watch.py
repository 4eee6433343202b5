"""Looks after a running consumer and gives the process up when it is stuck: Faust can stand still without a word."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from streams.chunks.watchdog import STALL_AFTER_S, Sight, Watchdog

if TYPE_CHECKING:
    from streams.chunks.consume import ChunkConsumer

#: EX_SOFTWARE of sysexits.h, used for nothing else here: a supervisor tells "stuck" from a crash (1) and a kill (negative) by it.
STUCK_EXIT_STATUS = 70
#: Longest wait for the broker's answer in a look; a broker that is silent longer is not asked about.
ASK_TIMEOUT_S = 10.0

log = logging.getLogger(__name__)


def exit_process(reason: str) -> None:
    """The default ``on_stuck``. Not sys.exit: what is stuck would also get stuck in an orderly stop."""
    log.critical("Consumer is stuck, exiting with status %d: %s", STUCK_EXIT_STATUS, reason)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STUCK_EXIT_STATUS)


@dataclass(slots=True, frozen=True, kw_only=True)
class Watch:
    """How to watch."""

    stuck_after: Mapping[str, float | None]  # seconds by topic; None: its chunks may be held for ever
    on_stuck: Callable[[str], None] = exit_process
    stall_after: float = STALL_AFTER_S  # seconds
    every: float = 5.0  # seconds


async def keep_watch(consumer: "ChunkConsumer", watch: Watch) -> None:
    """Look at the consumer every few seconds, until it stops."""
    dog = Watchdog(consumer.ledger, monotonic, watch.stuck_after, watch.stall_after)
    while not consumer.should_stop:
        await consumer.sleep(watch.every)
        if consumer.should_stop:
            return  # the thread that would be asked may be gone
        app = consumer.app
        reason = dog.look(await _sights(consumer), app.rebalancing_count if app.rebalancing else None)
        if reason and not consumer.should_stop:
            watch.on_stuck(reason)


async def _sights(consumer: "ChunkConsumer") -> list[Sight] | None:
    try:
        return await asyncio.wait_for(consumer.sights(), ASK_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 (whatever it is: the broker did not answer, and the next look asks again)
        log.debug("No answer about positions: %r", error)
        return None
