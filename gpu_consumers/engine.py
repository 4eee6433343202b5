"""The engine process seen from the parent: started, watched, restarted, and never two at once on a device."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from contracts.errors import ErrorCode
from gpu_consumers.frames import (
    BROKEN,
    LENGTH,
    Abort,
    Drop,
    Hello,
    Order,
    Outgrown,
    Report,
    Run,
    Started,
    Stepped,
    Through,
    Told,
    Warm,
    Warmed,
    pack,
    report_of,
)
from gpu_consumers.leak import Bounds
from gpu_consumers.oom import oom_kills
from gpu_consumers.spawn import Spawned, end, spawn

log = logging.getLogger(__name__)

BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses before a process that ended is started again; back to the first one once a run began."""
HOPELESS = 12
"""So many in a row that ended without finishing a run: the worker gives up, so that its partitions go to another."""
START_S = 60.0
"""How long a process may take to say hello (seconds): it imports half of a Python installation, maybe from a cold disk."""
LOOK_S = 0.5
"""How often the watchdog looks (seconds)."""


class EngineWontStart(Exception):
    """The engine process ends again and again."""


class Listener(Protocol):
    """Who is told what the engine process does. Called in the event loop; must not block."""

    def started(self, report: Started) -> None:
        """Jobs are about to take their first step."""
        ...

    def stepped(self, report: Stepped) -> None:
        """Jobs took steps."""
        ...

    def through(self, report: Through) -> None:
        """The engine is done with a run."""
        ...

    def told(self, report: Told) -> None:
        """Jobs are over."""
        ...

    def lost(self, run: int, code: ErrorCode) -> None:
        """The process ended with this run in it; what was not told of it never will be."""
        ...

    def changed(self) -> None:
        """The process is up, or down."""
        ...


class EngineProcess:
    """One child process for one device. Runs given to it are done in order, across restarts."""

    def __init__(
        self,
        listener: Listener,
        *,
        hang_s: float,
        bounds: Bounds | None = None,
        command: Sequence[str] = (),
        oom_kills: Callable[[], int] = oom_kills,
    ) -> None:
        self._listener = listener
        self._hang_s = hang_s
        bounds = bounds or Bounds()
        self._command = command or (sys.executable, "-m", "gpu_consumers.child")
        self._arguments = (str(bounds.memory_mb), str(bounds.growth_mb))
        self._oom_kills = oom_kills
        self._oom_before = 0
        self._process: Spawned | None = None
        self._runs: dict[int, Run] = {}
        self._begun: set[int] = set()
        self._through: set[int] = set()
        self._aborted: set[int] = set()
        self._dropped: dict[int, list[int]] = {}
        self._last: Run | None = None
        """The last run whose model was loaded: what a new process is warmed with."""
        self._warming = False
        self._outgrown = False
        self._heard = time.monotonic()
        self._failures = 0
        """Processes in a row that ended without finishing a run."""
        self._pauses = 0
        """Processes in a row that ended without beginning one: a job that ends its engine is no reason to wait."""
        self._hung = False
        self._greeted = False
        self.restarts = 0
        """After failures."""
        self.recycled = 0
        """Processes replaced because they had grown too large."""
        self.loaded: list[str] = []
        """name@version of the models it holds."""
        self.ready = False
        """Whether it is there to take runs."""

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.child.pid if self._process else None

    def run(self, order: Run) -> None:
        """Give it a run, to be done after those before it."""
        if not self._runs:
            self._heard = time.monotonic()
        self._runs[order.run] = order
        self._send(order)

    def drop(self, run: int, places: list[int]) -> None:
        """Leave out cancelled jobs; they are told of as cancelled."""
        if run in self._runs:
            self._dropped.setdefault(run, []).extend(places)
            self._send(Drop(run=run, places=places))

    def abort(self, run: int) -> None:
        """Stop a run at the next step boundary; it is told of no more."""
        if run in self._runs:
            self._aborted.add(run)
            self._send(Abort(run=run))

    async def serve(self) -> None:
        """Keep a process going until cancelled."""
        try:
            while True:
                await self._one_life()
                await asyncio.sleep(self._pause())
        finally:
            await self._end()

    def _pause(self) -> float:
        if self._outgrown:
            self.recycled += 1
            return 0.0
        pause = BACKOFF_S[min(self._pauses, len(BACKOFF_S) - 1)]
        self._failures += 1
        self._pauses += 1
        self.restarts += 1
        log.warning("the engine process ended, next one in %.1f s", pause, extra={"restarts": self.restarts})
        return pause

    async def _one_life(self) -> None:
        self._oom_before = self._oom_kills()
        process = self._process = await spawn(self._command, self._arguments)
        self._heard, self._hung, self._greeted, self._outgrown = time.monotonic(), False, False, False
        self._send_all()
        try:
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(self._watch(process))
                await self._listen(process.reader)
                watch.cancel()
        finally:
            self.ready = False
            self.loaded = []
            await self._end()
        self._bury(process.child.returncode)

    def _send_all(self) -> None:
        self._warming = self._last is not None
        if self._last is not None:
            self._send(Warm(like=self._last))
        for run, order in self._runs.items():
            self._send(order)
            if run in self._dropped:
                self._send(Drop(run=run, places=self._dropped[run]))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not self._outgrown:
                (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                report = report_of(await reader.readexactly(size))
                self._heard = time.monotonic()
                self._hear(report)

    def _hear(self, report: Report) -> None:
        if isinstance(report, Hello):
            self._greeted = True
            self._hear_ready(warming=self._warming)
        elif isinstance(report, Warmed):
            self.loaded = report.loaded
            self._hear_ready(warming=False)
        elif isinstance(report, Started):
            self._hear_started(report)
        elif isinstance(report, Stepped):
            self._listener.stepped(report)
        elif isinstance(report, Through):
            self._begun.discard(report.run)
            self._through.add(report.run)
            self._listener.through(report)
        elif isinstance(report, Outgrown):
            log.warning("the engine process takes %.0f MiB: a fresh one takes its place", report.resident_mb)
            self._outgrown = True
        else:
            self._hear_told(report)

    def _hear_ready(self, *, warming: bool) -> None:
        self._warming, self.ready = warming, not warming
        self._listener.changed()

    def _hear_started(self, report: Started) -> None:
        self._pauses = 0
        self._begun.add(report.run)
        if report.run in self._runs:
            self._last = _nobodys(self._runs[report.run])
        self.loaded = report.loaded
        self._listener.started(report)

    def _hear_told(self, report: Told) -> None:
        if report.over:
            self._failures = 0
            self._forget(report.run)
        self._listener.told(report)

    def _forget(self, run: int) -> None:
        self._runs.pop(run, None)
        self._begun.discard(run)
        self._through.discard(run)
        self._aborted.discard(run)
        self._dropped.pop(run, None)

    async def _watch(self, process: Spawned) -> None:
        while True:
            await asyncio.sleep(min(LOOK_S, self._hang_s / 4))
            patience = self._hang_s if self.ready else max(self._hang_s, START_S)
            idle = self.ready and not self._runs
            if not idle and time.monotonic() - self._heard > patience:
                log.error("no step for %.1f s: killing the engine process", patience)
                self._hung = True
                process.child.kill()
                return

    def _bury(self, status: int | None) -> None:
        """The run that it was at is charged with the end of the process; those behind it are run by the next one."""
        for run in list(self._aborted):
            self._forget(run)
        charged = self._charged(status)
        self._last = None if self._warming else self._last  # what it may have ended of is not tried again
        self._begun.clear()
        self._through.clear()
        for run in charged:
            self._forget(run)
            self._listener.lost(run, self._cause(status))
        self._listener.changed()
        if self._failures >= HOPELESS:
            raise EngineWontStart(f"{self._failures} engine processes in a row ended without finishing a run")

    def _cause(self, status: int | None) -> ErrorCode:
        if self._hung:
            return "engine_hung"
        by_kernel = status == -signal.SIGKILL and self._oom_kills() > self._oom_before
        return "out_of_memory" if by_kernel else "engine_crashed"

    def _charged(self, status: int | None) -> list[int]:
        begun = [run for run in self._runs if run in self._begun]
        if begun or status == BROKEN or not self._greeted or self._warming or self._outgrown:
            return begun
        # It ended while loading that one's model; if the engine was through with all, while encoding the first.
        return [run for run in self._runs if run not in self._through][:1] or list(self._runs)[:1]

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await end(process)

    def _send(self, order: Order) -> None:
        if self._process is not None:
            self._process.writer.write(pack(order))


def _nobodys(run: Run) -> Run:
    """The first task of a run without what its owner wrote."""
    task = msgspec.structs.replace(run.tasks[0], prompt="", negative_prompt="", image=None)
    return msgspec.structs.replace(run, tasks=[task])
