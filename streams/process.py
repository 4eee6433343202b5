"""What the processes of `streams` share: one event loop, settings from the edge, an orderly end on SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import uvloop

from contracts.brokers import TurnedAway
from infra.settings import BAD_SETTINGS_EXIT, BadSetting

S = TypeVar("S")
log = logging.getLogger(__name__)

COLLECT = (50_000, 20, 100)
"""Python's collector looks at young objects every 700 allocations; a window of jobs is thousands of living ones, and
looking seldom saves an eighth of the CPU of admission and scheduling. Next to nothing here is in cycles."""

STUCK_EXIT = 70
"""EX_SOFTWARE, as `streams.chunks` uses it: alive, but not of its own will."""

LEAVE_S = 20.0
"""How long a process may take to end. Supervisors kill after 30."""


class Crashed(Exception):
    """A part that was to run until told otherwise has ended. The process is to be started again."""


def main(serve: Callable[[S, asyncio.Event], Awaitable[None]], read_settings: Callable[[], S]) -> None:
    """Run `serve` with the settings of this process until it is told to leave.

    Exits with 78 on bad settings, whose names are shown, 1 on a crash, 70 if it does not end.
    """
    gc.set_threshold(*COLLECT)
    try:
        uvloop.run(_until_told(serve, read_settings()))
    except (TurnedAway, BadSetting) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(BAD_SETTINGS_EXIT)
    except Exception:
        log.exception("the process ends")
        sys.exit(1)


async def _until_told(serve: Callable[[S, asyncio.Event], Awaitable[None]], settings: S) -> None:
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, leave.set)
    serving = asyncio.ensure_future(serve(settings, leave))
    leaving = asyncio.ensure_future(leave.wait())
    await asyncio.wait([serving, leaving], return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    await asyncio.wait([serving], timeout=LEAVE_S)
    if not serving.done():
        _give_up()
    await serving


def _give_up() -> NoReturn:
    """End a process that does not come to an end. Nothing is lost by it: what is not committed is done again."""
    stuck = {f"{task.get_name()} at {_where(task)}" for task in asyncio.all_tasks()}
    log.critical("still here %.0f s after being told to leave: %s", LEAVE_S, "; ".join(sorted(stuck)))
    logging.shutdown()
    os._exit(STUCK_EXIT)


def _where(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=1)
    return f"{frames[-1].f_code.co_qualname}:{frames[-1].f_lineno}" if frames else "no frame"
