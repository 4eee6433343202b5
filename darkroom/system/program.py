"""A program of ours as a part: it is told its HTTP port by environment and answers /readyz there."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from darkroom.system import logs
from darkroom.system.part import ROUND_S, BadlySet, NotStarted, gone
from infra.local.child import Child
from infra.local.ports import free_ports
from infra.settings import BAD_SETTINGS_EXIT

START_S = 300.0
"""A model on a slow disk may take minutes to load; longer than this is a failure (seconds)."""


class Program:
    """One process, started any number of times."""

    def __init__(self, name: str, argv: Sequence[str], *, folder: Path, env: Mapping[str, str], keep_fd: int) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.http_port: int | None = None
        self._argv = argv
        self._env = env
        self._keep_fd = keep_fd
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    async def start(self, spawned: Callable[[], None]) -> None:
        logs.cap(self.log)
        (self.http_port,) = free_ports(1)
        env = {**self._env, "DARKROOM_OBSERVE_HTTP_PORT": str(self.http_port)}
        self._child = Child(self._argv, log=self.log, env=env, keep_fd=self._keep_fd)
        spawned()
        try:
            async with asyncio.timeout(START_S):
                await self._ready(self._child, self.http_port)
        except TimeoutError:
            self._child.signal(signal.SIGKILL)
            raise NotStarted(f"{self.name} was not ready after {START_S:g} s") from None

    async def _ready(self, child: Child, port: int) -> None:
        while not await answers(port):
            if child.exit_status == BAD_SETTINGS_EXIT:
                raise BadlySet(f"{self.name} cannot work with these settings:")
            if not child.alive:
                raise NotStarted(f"{self.name} {_ended(child.exit_status)}")
            await asyncio.sleep(ROUND_S)

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        return _ended(self._child.exit_status if self._child else None)

    async def ended(self) -> None:
        await gone(lambda: self.alive)

    async def stop(self, patience_s: float) -> None:
        if self._child:
            self._child.signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):  # not wait_for: on Python 3.11 it may lose a cancellation
                    await self.ended()
            self._child.signal(signal.SIGKILL)
            await self.ended()

    def kill(self) -> None:
        if self._child:
            self._child.signal(signal.SIGKILL)


async def answers(port: int, path: str = "/readyz") -> bool:
    """Whether a process of ours says on this loopback port that it is ready."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False


def _ended(status: int | None) -> str:
    if status is None:
        return "ended"
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
