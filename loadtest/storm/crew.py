"""Everything that runs in a storm: settings, topics, processes, and the plan of blows on them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from infra.local.kafka import LocalKafka
from infra.settings import Kafka, Models, Settings, Worker, to_env
from loadtest.storm.brokers import Brokers
from loadtest.storm.faults import Actor, Fault, Struck, broker_faults, process_faults
from loadtest.storm.load import POISON
from loadtest.storm.options import Options
from loadtest.storm.parts import ROOT, Process, command
from loadtest.storm.stores import Stores

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
steps = 4
max_steps = 8
guidance = 1.0
batch_cap = {batch_cap}
options = {{ base_s = {run_s}, picture_s = 0.005, spread = 0.5, poison = "{poison}", hiccup = 0.005 }}
cost = {{ base_s = {run_s}, per_row_step_s = 0.001 }}
"""
MODULES = {"streams": "streams.app", "settle": "streams.settle_app", "gpu": "gpu_consumers.app"}


def settings_for(options: Options, folder: Path, bootstrap: str, prefix: str, stores: Stores) -> Settings:
    """Settings of all processes; writes the catalogue."""
    catalog = folder / "models.toml"
    catalog.write_text(CATALOG.format(batch_cap=options.batch_cap, run_s=options.run_s, poison=POISON))
    return Settings(
        kafka=Kafka(
            bootstrap_servers=bootstrap, prefix=prefix, partitions=options.partitions, session_timeout_s=options.session_s
        ),
        store=stores.used,
        cache=stores.cache,
        models=Models(catalog=str(catalog)),
        worker=Worker(slots=options.slots, spool=str(folder / "spool")),
    )


class Crew:
    """The processes and brokers of one storm, and what was done to them."""

    def __init__(self, options: Options, settings: Settings, folder: Path, keep_fd: int, brokers: tuple[LocalKafka, ...]) -> None:
        self.options, self._settings = options, settings
        self.blows: list[Struck] = []
        counts = {"streams": options.streams, "settle": options.settles, "gpu": options.workers}
        self.processes = [
            self._process(f"{role}-{number}", MODULES[role], folder, keep_fd)
            for role, count in counts.items()
            for number in range(1, count + 1)
        ]
        self.brokers = [Brokers(brokers)] if brokers and options.broker_faults else []

    def _process(self, name: str, module: str, folder: Path, keep_fd: int) -> Process:
        def env(life: str) -> Mapping[str, str]:
            own = replace(self._settings, worker=replace(self._settings.worker, name=life))
            path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
            return {**os.environ, **to_env(own), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}

        return Process(name, command(module, self.options.bug), folder=folder, env=env, keep_fd=keep_fd)

    async def all_ready(self) -> None:
        """Returns when every process works."""
        await asyncio.gather(*(process.ready() for process in self.processes))

    def struck(self) -> Iterator[tuple[Actor, Iterator[Fault]]]:
        """Who is struck, each with its plan."""
        options = self.options
        for process in self.processes:
            if process.name.rpartition("-")[0] in options.strikes:
                yield process, process_faults(options.seed, process.name, session_s=options.session_s, life_s=options.life_s)
        for brokers in self.brokers:
            yield brokers, broker_faults(options.seed, brokers.name)

    async def struck_often(self, count: int) -> None:
        """Returns when so many blows have been dealt."""
        while len(self.blows) < count:  # noqa: ASYNC110 - a round more or less is no matter
            await asyncio.sleep(0.2)

    async def suffer(self, actor: Actor, plan: Iterator[Fault]) -> None:
        """Strike one actor by its plan until cancelled."""
        for fault in plan:
            await actor.ready()
            await asyncio.sleep(fault.after_s)
            self.blows.append(Struck(fault=fault, at=time.time(), life=actor.life))
            await _to_the_end(actor.strike(fault))


async def _to_the_end(blow: Coroutine[Any, Any, None]) -> None:
    """A blow is never left half dealt: a broker that is down is started, a frozen process thawed."""
    dealing = asyncio.ensure_future(blow)
    try:
        await asyncio.shield(dealing)
    except asyncio.CancelledError:
        await dealing
        raise
