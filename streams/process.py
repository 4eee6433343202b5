"""What the processes of `streams` share: one event loop, settings from the edge, an orderly end on SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable

import uvloop

from infra.settings import BadSetting, Settings, read_settings

Serve = Callable[[Settings, asyncio.Event], Awaitable[None]]
"""Serves until the event is set."""

BAD_SETTINGS_EXIT = 78
"""EX_CONFIG of sysexits.h."""

log = logging.getLogger(__name__)


class Crashed(Exception):
    """A part that was to run until told otherwise has ended. The process is to be started again."""


def main(serve: Serve) -> None:
    """Run `serve` with the settings of this process."""
    try:
        settings = read_settings()
    except BadSetting as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(BAD_SETTINGS_EXIT)
    try:
        uvloop.run(_until_told(serve, settings))
    except Exception:
        log.exception("the process ends")
        sys.exit(1)


async def _until_told(serve: Serve, settings: Settings) -> None:
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, leave.set)
    await serve(settings, leave)
