"""What the parts of a running system have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

ROUND_S = 0.1
"""Between looks at a part (seconds)."""


class NotStarted(Exception):
    """A part ended, or did not become ready; the text says how."""


class BadlySet(NotStarted):
    """A part cannot work with its settings: starting it again is of no use. The last line of its log names them."""


class Part(Protocol):
    """Something that runs, may die and can be started again."""

    name: str
    log: Path

    @property
    def pid(self) -> int | None: ...
    @property
    def http_port(self) -> int | None: ...
    @property
    def alive(self) -> bool: ...
    @property
    def ending(self) -> str:
        """How it ended, in words."""
        ...

    async def start(self, spawned: Callable[[], None]) -> None:
        """Start it, tell when it has a process, and return when it is ready. Raises `NotStarted`."""
        ...

    async def ended(self) -> None:
        """Wait until it has no process any more."""
        ...

    async def stop(self, patience_s: float) -> None:
        """End it in order; by force after so many seconds."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


async def gone(alive: Callable[[], bool]) -> None:
    """Wait until a part lives no more."""
    while alive():  # noqa: ASYNC110 - a process that ended wakes nobody in this loop
        await asyncio.sleep(ROUND_S)
