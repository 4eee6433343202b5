"""The processes of one system: streams, settle, and workers that come and go."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from contracts.catalog import ModelSpec
from darkroom.system.plan import program
from darkroom.system.program import Program
from darkroom.system.topics import create_topics
from infra.local.claim import Claim
from infra.settings import Kafka, Models, Settings, Store, Worker
from loadtest.crew.noop import catalog_of, write_catalog

MODULES = {"streams": "streams.app", "settle": "streams.settle_app", "gpu": "gpu_consumers.app"}
"""What a process does, and the module that does it."""
START_S = 180.0
"""Until all processes work, on a busy machine (seconds)."""
LEAVE_S = 60.0
"""After SIGTERM a process has so long before it is killed: its own limit is 20, and the machine is busy."""


def settings_in(folder: Path, bootstrap: str, model: ModelSpec) -> Settings:
    """Settings of all processes, the usual ones where it matters: everything is kept in `folder`. Writes the catalogue."""
    return Settings(
        kafka=Kafka(bootstrap_servers=bootstrap),
        store=Store(jobs=f"sqlite:///{folder / 'jobs.db'}", objects=f"file://{folder / 'objects'}"),
        models=Models(catalog=str(write_catalog(folder / "models.toml", catalog_of(model)))),
        worker=Worker(spool=str(folder / "spool")),
    )


class Crew:
    """Each a process of its own. `streams` and `settle` can be killed and started again, too."""

    def __init__(self, settings: Settings, folder: Path, keep_fd: int) -> None:
        self._settings, self._folder, self._keep_fd = settings, folder, keep_fd
        self.streams = self._program("streams", MODULES["streams"])
        self.settle = self._program("settle", MODULES["settle"])
        self.workers: list[Program] = []
        """Those that live, oldest first."""
        self._count = 0

    async def open(self, workers: int) -> None:
        """Start everything; returns when all are ready."""
        async with asyncio.timeout(START_S):
            one_each = (one.start(lambda: None) for one in (self.streams, self.settle))
            await asyncio.gather(*one_each, *(self.join() for _ in range(workers)))

    def close(self) -> None:
        """Kill everything."""
        for one in [self.streams, self.settle, *self.workers]:
            one.kill()

    async def join(self) -> Program:
        """One more worker; returns when it is ready."""
        self._count += 1
        name = f"gpu-{self._count}"
        worker = self._program(name, MODULES["gpu"])
        self.workers.append(worker)
        await worker.start(lambda: None)
        return worker

    async def leave(self) -> Program:
        """The oldest worker is told to leave; returns when it has."""
        worker = self.workers.pop(0)
        await worker.stop(LEAVE_S)
        return worker

    def kill(self) -> Program:
        """The oldest worker is killed."""
        worker = self.workers.pop(0)
        worker.kill()
        return worker

    def _program(self, name: str, module: str) -> Program:
        own = replace(self._settings, worker=replace(self._settings.worker, name=name))
        return program(name, [sys.executable, "-m", module], own, folder=self._folder, keep_fd=self._keep_fd)


@asynccontextmanager
async def crew_of(settings: Settings, folder: Path) -> AsyncIterator[Crew]:
    """Topics, and a crew of which nobody has been started; when the block ends all are killed."""
    await create_topics(settings.kafka.bootstrap_servers, settings.topics)
    claim = Claim(folder, "crew.json")
    crew = Crew(settings, folder, claim.fd)
    try:
        yield crew
    finally:
        crew.close()
        claim.release()


@asynccontextmanager
async def at_work(settings: Settings, folder: Path, *, workers: int) -> AsyncIterator[Crew]:
    """The same, when everybody is ready."""
    async with crew_of(settings, folder) as crew:
        await crew.open(workers)
        yield crew
