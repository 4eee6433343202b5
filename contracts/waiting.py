"""Waiting for Kafka at the start of a process: what watches over processes should not have to start them again for that."""

from __future__ import annotations

import asyncio
import logging
import time

from contracts.brokers import Brokers, knock

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Between knocks."""

SAY_S = 30.0
"""How often it is said that nobody answers."""


async def reached(brokers: Brokers, leave: asyncio.Event) -> bool:
    """Wait until a broker answers; False if `leave` is set before that. Raises `TurnedAway` if it does not let us in."""
    knocking = asyncio.ensure_future(_knock_on(brokers))
    leaving = asyncio.ensure_future(leave.wait())
    try:
        await asyncio.wait((knocking, leaving), return_when=asyncio.FIRST_COMPLETED)
        if knocking.done():
            knocking.result()
        return not leave.is_set()
    finally:
        for one in (knocking, leaving):
            one.cancel()
        await asyncio.gather(knocking, leaving, return_exceptions=True)


async def _knock_on(brokers: Brokers) -> None:
    began = said = time.monotonic() - SAY_S
    while not await knock(brokers):
        if (now := time.monotonic()) - said >= SAY_S:
            log.warning("no broker answers at %s (kafka.bootstrap_servers), trying again until one does", brokers.servers)
            said = now
        await asyncio.sleep(PAUSE_S)
    if said > began:
        log.info("a broker answers")
