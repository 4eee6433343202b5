"""Which programs make up a system, and with which settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from darkroom.errors import DarkroomError
from darkroom.system.program import Program
from infra.settings import SECURITY, BadSetting, Kafka, Settings, Store, Worker, read_settings, to_env

ROOT = Path(__file__).resolve().parents[2]
"""Where our packages are, so that a checkout runs without being installed."""

OPEN = {name: getattr(Kafka(), name) for name in SECURITY}
"""A Kafka of our own is on loopback, and lets everybody in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a person says to `darkroom up`."""

    data: Path
    kafka: str | None = None
    """An existing Kafka (host:port); None: one of our own."""
    kafka_port: int | None = None
    workers: int = 1
    catalog: Path | None = None


def settle(options: Options, bootstrap_servers: str, env: Mapping[str, str] = os.environ) -> Settings:
    """The settings of every process: what the environment says, and what follows from the options. Raises `DarkroomError`."""
    try:
        settings = read_settings(env)
    except BadSetting as error:
        raise DarkroomError(str(error)) from None
    data = options.data.resolve()
    unsaid, said = Store(), settings.store
    chosen = replace(
        said,
        jobs=f"sqlite:///{data / 'jobs.db'}" if said.jobs == unsaid.jobs else said.jobs,
        objects=(data / "objects").as_uri() if said.objects == unsaid.objects else said.objects,
    )
    catalog = (options.catalog or Path(settings.models.catalog)).resolve()
    threads = settings.models.threads or max(1, (os.cpu_count() or 1) // options.workers)
    spool = str(data / "spool") if settings.worker.spool == Worker().spool else settings.worker.spool
    return replace(
        settings,
        kafka=replace(settings.kafka, bootstrap_servers=bootstrap_servers, **({} if options.kafka else OPEN)),
        store=chosen,
        models=replace(settings.models, catalog=str(catalog), threads=threads),
        worker=replace(settings.worker, spool=spool),
    )


def programs(options: Options, settings: Settings, keep_fd: int) -> list[Program]:
    """The programs, in the order in which they are stopped: each after those whose output it takes in."""
    folder = options.data.resolve() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    modules = {f"worker-{number}": "gpu_consumers.app" for number in range(1, options.workers + 1)}
    modules |= {"streams": "streams.app", "settle": "streams.settle_app"}
    return [
        program(name, [sys.executable, "-m", module], _own(settings, name), folder=folder, keep_fd=keep_fd)
        for name, module in modules.items()
    ]


def program(name: str, argv: Sequence[str], settings: Settings, *, folder: Path, keep_fd: int) -> Program:
    """A program of ours that works with these settings. Its log is in `folder`."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, **to_env(settings), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    return Program(name, argv, folder=folder, env=env, keep_fd=keep_fd)


def _own(settings: Settings, name: str) -> Settings:
    return replace(settings, worker=replace(settings.worker, name=name)) if name.startswith("worker") else settings
