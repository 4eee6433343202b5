"""The processes in the storm: each started, struck, and started again whenever it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from darkroom.system.part import NotStarted
from darkroom.system.program import Program
from loadtest.crew.crew import LEAVE_S
from loadtest.storm.faults import Fault

PAUSE_S = 0.2
"""Before a process that ended is started again, as a supervisor would."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """One life of a process, and how it ended."""

    slot: str
    number: int
    began: float
    ready: float | None
    """Seconds since the epoch, as all times here; None if it ended before."""
    ended: float
    struck: bool
    """Whether it was killed or told to end."""
    how: str

    @property
    def name(self) -> str:
        """Unique to this life."""
        return life_name(self.slot, self.number)


def life_name(slot: str, number: int) -> str:
    """What a process is called in one of its lives."""
    return f"{slot}.{number}"


class Process:
    """One place in the system: a process of ours, life after life. Implements `faults.Actor`."""

    def __init__(self, name: str, born: Callable[[str], Program]) -> None:
        """`born`: the process of one life, by the life's name."""
        self.name = name
        self.life = 0
        self.lives: list[Life] = []
        self._born = born
        self._program: Program | None = None
        self._ready = asyncio.Event()
        self._struck = False

    async def keep(self) -> None:
        """Keep it running until cancelled; then end it for good."""
        try:
            while True:
                await self._live()
                await asyncio.sleep(PAUSE_S)
        finally:
            if self._program:
                self._program.kill()

    async def _live(self) -> None:
        self.life += 1
        self._struck = False
        program = self._program = self._born(life_name(self.name, self.life))
        began, ready = time.time(), None
        with contextlib.suppress(NotStarted):
            await program.start(lambda: None)
            ready = time.time()
            self._ready.set()
            await program.ended()
        self._ready.clear()
        life = Life(
            slot=self.name, number=self.life, began=began, ready=ready, ended=time.time(),
            struck=self._struck, how=program.ending,
        )  # fmt: skip
        self.lives.append(life)

    async def ready(self) -> None:
        await self._ready.wait()

    async def strike(self, fault: Fault) -> None:
        program = self._program
        if program is None or program.pid is None or not program.alive:
            return
        if fault.blow == "freeze":
            await self._freeze(program.pid, fault.hold_s)
        elif fault.blow == "term":
            self._struck = True
            await program.stop(LEAVE_S)
        else:
            self._struck = True
            self._ready.clear()
            program.kill()
            await program.ended()

    async def _freeze(self, pid: int, hold_s: float) -> None:
        try:
            _send(pid, signal.SIGSTOP)
            await asyncio.sleep(hold_s)
        finally:
            _send(pid, signal.SIGCONT)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def command(module: str, bug: str) -> list[str]:
    """How a part is started: as in production, or through the launcher that plants a bug first."""
    return [sys.executable, "-m", "loadtest.storm.launch", bug, module] if bug else [sys.executable, "-m", module]
