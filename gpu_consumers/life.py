"""One engine process from its start to its end: greeted, watched, hung up on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Sequence
from typing import Self

from contracts.errors import ErrorCode
from gpu_consumers.frames import BROKEN, LENGTH, Order, Report, pack, report_of
from gpu_consumers.spawn import Spawned, end, spawn

log = logging.getLogger(__name__)

START_S = 60.0
"""How long a process may take to say hello (seconds): it imports half of a Python installation, maybe from a cold disk."""
LOOK_S = 0.5
"""How often the watchdog looks (seconds)."""


class Life:
    """Of one process. It is killed when it was silent for `hang_s` though it had something to do."""

    def __init__(self, process: Spawned, *, hang_s: float, killed_for_memory: Callable[[], bool]) -> None:
        self._process = process
        self._hang_s = hang_s
        self._killed_for_memory = killed_for_memory
        self._heard = time.monotonic()
        self._hung = False
        self.greeted = False
        """It has said hello."""
        self.warming = False
        """It has been told to load a model before anybody needs it, and has not done so yet."""
        self.ready = False
        """Whether it is there to take runs."""
        self.outgrown = False
        """It takes too much memory: it is told to end, and that is no failure."""

    @classmethod
    async def begin(cls, command: Sequence[str], arguments: Sequence[str], *, hang_s: float, kills: Callable[[], int]) -> Self:
        """Start a process. `kills`: how often the kernel has killed for want of memory."""
        before = kills()
        return cls(await spawn(command, arguments), hang_s=hang_s, killed_for_memory=lambda: kills() > before)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.child.pid

    def send(self, order: Order) -> None:
        """Tell it what to do."""
        self._process.writer.write(pack(order))

    def given_work(self) -> None:
        """It had nothing to do before, so its silence begins now."""
        self._heard = time.monotonic()

    async def run(self, hear: Callable[[Report], None], busy: Callable[[], bool]) -> None:
        """Hand on what it says until it has ended or is outgrown. `busy`: whether it has something to do."""
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(self._watch(busy))
            await self._listen(hear)
            watch.cancel()

    async def end(self) -> None:
        """Hang up, and see it end."""
        self.ready = False
        await end(self._process)

    @property
    def cause(self) -> ErrorCode:
        """What it ended of."""
        if self._hung:
            return "engine_hung"
        by_kernel = self._process.child.returncode == -signal.SIGKILL and self._killed_for_memory()
        return "out_of_memory" if by_kernel else "engine_crashed"

    @property
    def ended_at_work(self) -> bool:
        """Whether some run is to blame for its end, even if none had begun: not what it had been given was wrong with it."""
        broken = self._process.child.returncode == BROKEN
        return self.greeted and not (broken or self.warming or self.outgrown)

    async def _listen(self, hear: Callable[[Report], None]) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not self.outgrown:
                (size,) = LENGTH.unpack(await self._process.reader.readexactly(LENGTH.size))
                report = report_of(await self._process.reader.readexactly(size))
                self._heard = time.monotonic()
                hear(report)

    async def _watch(self, busy: Callable[[], bool]) -> None:
        while True:
            await asyncio.sleep(min(LOOK_S, self._hang_s / 4))
            patience = self._hang_s if self.ready else max(self._hang_s, START_S)
            idle = self.ready and not busy()
            if not idle and time.monotonic() - self._heard > patience:
                log.error("no step for %.1f s: killing the engine process", patience)
                self._hung = True
                self._process.child.kill()
                return
