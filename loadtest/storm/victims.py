"""Everything that is struck in a storm: settings, processes, and the plan of blows on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from contracts.catalog import Cost, ModelSpec
from darkroom.system.plan import program
from darkroom.system.program import Program
from infra.local.kafka import LocalKafka
from infra.settings import Settings
from loadtest.crew.crew import MODULES, settings_in
from loadtest.crew.noop import NOOP
from loadtest.storm.brokers import Brokers
from loadtest.storm.faults import Actor, Fault, Struck, broker_faults, process_faults
from loadtest.storm.load import POISON
from loadtest.storm.options import Options
from loadtest.storm.parts import Process, command
from loadtest.storm.stores import Stores


def settings_for(options: Options, folder: Path, bootstrap: str, prefix: str, stores: Stores) -> Settings:
    """Settings of all processes; writes the catalogue."""
    usual = settings_in(folder, bootstrap, model(options))
    kafka = replace(usual.kafka, prefix=prefix, partitions=options.partitions, session_timeout_s=options.session_s)
    worker, streams = replace(usual.worker, slots=options.slots), replace(usual.streams, window_jobs=options.window)
    return replace(usual, kafka=kafka, store=stores.used, cache=stores.cache, worker=worker, streams=streams)


def model(options: Options) -> ModelSpec:
    """Batches take about `run_s`; some jobs harm the engine, some fail and may succeed the next time."""
    engine = {"base_s": options.run_s, "picture_s": 0.005, "spread": 0.5, "poison": POISON, "hiccup": 0.005}
    cost = Cost(base_s=options.run_s, per_row_step_s=0.001)
    return replace(NOOP, batch_cap=options.batch_cap, options=engine, cost=cost)


class Victims:
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
        def born(life: str) -> Program:
            own = replace(self._settings, worker=replace(self._settings.worker, name=life))
            return program(name, command(module, self.options.bug), own, folder=folder, keep_fd=keep_fd)

        return Process(name, born)

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
