"""Waiting for conditions, so that no test sleeps and hopes."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

PATIENCE = 30.0  # seconds: a loaded two-core machine, with room to spare
ROUND = 0.02  # seconds between looks


@overload
async def eventually(condition: Callable[[], Awaitable[T]], *, within: float = ..., what: str = ...) -> T: ...
@overload
async def eventually(condition: Callable[[], T], *, within: float = ..., what: str = ...) -> T: ...
async def eventually(condition: Callable[[], Any], *, within: float = PATIENCE, what: str = "") -> Any:
    """Return the condition's first true value; fail when none came `within` seconds.

    The condition is a plain or an async function. `what` names in the failure what was waited for.
    """
    deadline = time.monotonic() + within
    while True:
        value = condition()
        seen = await value if inspect.isawaitable(value) else value
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(_missed(what or getattr(condition, "__qualname__", "the condition"), within, seen))
        await asyncio.sleep(ROUND)


def _missed(what: str, within: float, seen: object) -> str:
    return f"{what} did not hold within {within:g} s; last seen: {seen!r}"
