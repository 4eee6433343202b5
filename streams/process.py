"""What the processes of `streams` share: one event loop, settings from the edge, an orderly end on SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import uvloop

S = TypeVar("S")
log = logging.getLogger(__name__)

BAD_SETTINGS_EXIT = 78
"""EX_CONFIG of sysexits.h."""


class Crashed(Exception):
    """A part that was to run until told otherwise has ended. The process is to be started again."""


def main(serve: Callable[[S, asyncio.Event], Awaitable[None]], read_settings: Callable[[], S]) -> None:
    """Run `serve` with the settings of this process until it is told to leave.

    `read_settings` raises ValueError, whose text is shown. Exits with 78 on bad settings and 1 on a crash.
    """
    try:
        settings = read_settings()
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(BAD_SETTINGS_EXIT)
    try:
        uvloop.run(_until_told(serve, settings))
    except Exception:
        log.exception("the process ends")
        sys.exit(1)


async def _until_told(serve: Callable[[S, asyncio.Event], Awaitable[None]], settings: S) -> None:
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, leave.set)
    await serve(settings, leave)
