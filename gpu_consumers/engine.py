"""The engine process seen from the parent: given runs, heard, restarted, and never two at once on a device."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from contracts.errors import ErrorCode
from engines import Memory
from gpu_consumers.frames import Abort, Drop, Hello, Order, Outgrown, Report, Run, Started, Stepped, Through, Told, Warmed
from gpu_consumers.leak import Bounds
from gpu_consumers.life import Life
from gpu_consumers.oom import oom_kills
from gpu_consumers.orders import Orders

log = logging.getLogger(__name__)

BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses before a process that ended is started again; back to the first one once a run began."""
HOPELESS = 12
"""So many in a row that ended without finishing a run: the worker gives up, so that its partitions go to another."""


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
        bounds = bounds or Bounds()
        self._begin = partial(
            Life.begin,
            command or (sys.executable, "-m", "gpu_consumers.child"),
            (str(bounds.memory_mb), str(bounds.growth_mb)),
            hang_s=hang_s,
            kills=oom_kills,
        )
        self._life: Life | None = None
        self._orders = Orders()
        self._failures = 0
        """Processes in a row that ended without finishing a run."""
        self._pauses = 0
        """Processes in a row that ended without beginning one: a job that ends its engine is no reason to wait."""
        self.restarts = 0
        """After failures."""
        self.recycled = 0
        """Processes replaced because they had grown too large."""
        self.loaded: list[str] = []
        """name@version of the models it holds."""
        self.memory: Memory | None = None
        """Of its device, as it was when a run began last; None: nothing ran, or it does not tell."""

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._life.pid if self._life else None

    @property
    def ready(self) -> bool:
        """Whether it is there to take runs."""
        return self._life is not None and self._life.ready

    def run(self, order: Run) -> None:
        """Give it a run, to be done after those before it."""
        if self._life and not self._orders:
            self._life.given_work()
        self._orders.add(order)
        self._send(order)

    def drop(self, run: int, places: list[int]) -> None:
        """Leave out cancelled jobs; they are told of as cancelled."""
        if run in self._orders:
            self._orders.drop(run, places)
            self._send(Drop(run=run, places=places))

    def abort(self, run: int) -> None:
        """Stop a run at the next step boundary; it is told of no more."""
        if run in self._orders:
            self._orders.abort(run)
            self._send(Abort(run=run))

    def _send(self, order: Order) -> None:
        if self._life:  # the next one is told everything
            self._life.send(order)

    async def serve(self) -> None:
        """Keep a process going until cancelled. Raises EngineWontStart."""
        while True:
            life = await self._begin()
            await self._live(life)
            self._bury(life)
            await asyncio.sleep(self._pause(life))

    async def _live(self, life: Life) -> None:
        self._life = life
        try:
            life.warming = self._orders.like is not None
            for order in self._orders.again():
                life.send(order)
            await life.run(partial(self._hear, life), busy=lambda: bool(self._orders))
        finally:
            self._life, self.loaded = None, []
            self.memory = self.memory and self.memory._replace(used=0)
            await life.end()

    def _bury(self, life: Life) -> None:
        """The run that it was at is charged with the end of the process; those behind it are run by the next one."""
        if life.warming:
            self._orders.like = None  # what it may have ended of is not tried again
        for run in self._orders.bury(first_if_none_began=life.ended_at_work):
            self._listener.lost(run, life.cause)
        self._listener.changed()
        if self._failures >= HOPELESS:
            raise EngineWontStart(f"{self._failures} engine processes in a row ended without finishing a run")

    def _pause(self, life: Life) -> float:
        if life.outgrown:
            self.recycled += 1
            return 0.0
        pause = BACKOFF_S[min(self._pauses, len(BACKOFF_S) - 1)]
        self._failures += 1
        self._pauses += 1
        self.restarts += 1
        log.warning("the engine process ended, next one in %.1f s", pause, extra={"restarts": self.restarts})
        return pause

    def _hear(self, life: Life, report: Report) -> None:
        if isinstance(report, Hello):
            life.greeted = True
            self._hear_ready(life, warming=life.warming)
        elif isinstance(report, Warmed):
            self.loaded, self.memory = report.loaded, report.memory or self.memory
            self._hear_ready(life, warming=False)
        elif isinstance(report, Started):
            self._hear_started(report)
        elif isinstance(report, Stepped):
            self._listener.stepped(report)
        elif isinstance(report, Through):
            self._orders.is_through(report.run)
            self._listener.through(report)
        elif isinstance(report, Outgrown):
            log.warning("the engine process takes %.0f MiB: a fresh one takes its place", report.resident_mb)
            life.outgrown = True
        else:
            self._hear_told(report)

    def _hear_ready(self, life: Life, *, warming: bool) -> None:
        life.warming, life.ready = warming, not warming
        self._listener.changed()

    def _hear_started(self, report: Started) -> None:
        self._pauses = 0
        self._orders.began(report.run)
        self.loaded, self.memory = report.loaded, report.memory
        self._listener.started(report)

    def _hear_told(self, report: Told) -> None:
        if report.over:
            self._failures = 0
            self._orders.forget(report.run)
        self._listener.told(report)
