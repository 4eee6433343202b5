"""Waiting out what is down. Nothing is acknowledged meanwhile, so nothing can be lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from streams.ports import StoreUnavailable

T = TypeVar("T")
log = logging.getLogger(__name__)

PAUSES_S = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Between tries; the last one repeats."""


async def patiently(call: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """What the job store answers, asked again as long as it is unavailable."""
    tries = 0
    while True:
        try:
            return await call(*arguments)
        except StoreUnavailable as error:
            pause = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
            log.warning("the job store is unavailable, again in %.2f s: %s", pause, error)
            tries += 1
            await asyncio.sleep(pause)
