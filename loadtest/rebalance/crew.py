"""The processes: streams, settle, and workers that come and go."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from msgspec.structs import replace

from darkroom.system.program import Program
from infra.settings import Kafka, Models, Settings, Store, Worker, to_env
from loadtest.rebalance.history import Event, Kind
from loadtest.storm.parts import ROOT

CATALOG = """
[defaults]
text-to-image = "noop"

[[models]]
name = "noop"
version = "1"
engine = "noop"
tasks = ["text-to-image"]
width = 64
height = 64
min_side = 8
max_side = 256
multiple = 8
max_pixels = 65536
steps = 20
max_steps = 20
guidance = 1.0
batch_cap = 1
options = {{ base_s = {batch_s}, spread = 0.2 }}
cost = {{ base_s = {batch_s}, per_row_step_s = 0.001 }}
"""
LEAVE_S = 60.0
"""So long a worker that was told to leave may take before it is killed."""


def settings_for(folder: Path, bootstrap: str, batch_s: float) -> Settings:
    """Settings of all processes, the usual ones where it matters; writes the catalogue."""
    models = folder / "models.toml"
    models.write_text(CATALOG.format(batch_s=batch_s))
    return Settings(
        kafka=Kafka(bootstrap_servers=bootstrap),
        store=Store(jobs=f"sqlite:///{folder / 'jobs.db'}", objects=f"file://{folder / 'objects'}"),
        models=Models(catalog=str(models)),
        worker=Worker(spool=str(folder / "spool")),
    )


class Crew:
    """All processes, and what was done to the workers."""

    def __init__(self, settings: Settings, folder: Path, keep_fd: int) -> None:
        self._settings, self._folder, self._keep_fd = settings, folder, keep_fd
        self._parts: list[Program] = []
        self.workers: list[Program] = []
        """Those that live, oldest first."""
        self._count = 0
        self.events: list[Event] = []

    async def open(self, workers: int) -> None:
        """Start everything."""
        self._parts = [self._program(name, module) for name, module in (("streams", "app"), ("settle", "settle_app"))]
        await asyncio.gather(*(one.start(lambda: None) for one in self._parts), *(self._start() for _ in range(workers)))

    def close(self) -> None:
        """Kill everything."""
        for one in [*self._parts, *self.workers]:
            one.kill()

    async def join(self) -> Event:
        """One more worker; returns when it is ready."""
        event = self._event("join", f"gpu-{self._count + 1}")
        await self._start()
        event.over = time.time()
        return event

    async def leave(self) -> Event:
        """The oldest worker is told to leave; returns when it has."""
        worker = self.workers.pop(0)
        event = self._event("leave", worker.name)
        await worker.stop(LEAVE_S)
        event.over = time.time()
        return event

    async def kill(self) -> Event:
        """The oldest worker is killed."""
        worker = self.workers.pop(0)
        event = self._event("kill", worker.name)
        worker.kill()
        return event

    def _event(self, kind: Kind, worker: str) -> Event:
        self.events.append(Event(kind=kind, worker=worker, at=time.time()))
        return self.events[-1]

    async def _start(self) -> None:
        self._count += 1
        name = f"gpu-{self._count}"
        worker = self._program(name, "gpu_consumers.app", replace(self._settings.worker, name=name))
        self.workers.append(worker)
        await worker.start(lambda: None)

    def _program(self, name: str, module: str, worker: Worker | None = None) -> Program:
        own = replace(self._settings, worker=worker or self._settings.worker)
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        argv = [sys.executable, "-m", module if "." in module else f"streams.{module}"]
        env = {**os.environ, **to_env(own), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        return Program(name, argv, folder=self._folder, env=env, keep_fd=self._keep_fd)
