"""Runs a system from start to stop."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from darkroom import running
from darkroom.errors import DarkroomError, innermost
from darkroom.running import Process, Running
from darkroom.system.kafka import Kafka
from darkroom.system.keep import Keeper
from darkroom.system.part import Part
from darkroom.system.plan import Options, programs, settle
from darkroom.system.topics import create_topics
from infra.local.claim import Claim
from infra.local.errors import DataDirInUseError
from infra.local.kafka import LocalKafka
from infra.settings import Settings

STOP_S = 10.0
"""On top of a worker's grace: how long a part may take to leave before it is killed (seconds)."""


ROLES = ("jobs", "control", "status", "results", "dead", "outcomes", "workers")


class System:
    """One system on one data folder. `run` is its whole life."""

    def __init__(
        self,
        options: Options,
        *,
        say: Callable[[str], None] = lambda _text: None,
        ready: Callable[[Running], None] = lambda _running: None,
        download: Callable[[int, int], None] | None = None,
    ) -> None:
        """`say` is told what a person should know, `ready` where everything is, once it can take jobs.

        `download(done, total)` is told of Kafka's jars, where they are not there yet.
        """
        self._options = replace(options, data=options.data.resolve())
        self._tell_ready = ready
        self._download = download
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._started_at = time.time()
        self._settings: Settings | None = None
        self._announced = False
        self._keeper = Keeper(say=say, changed=self._changed)

    def stop(self) -> None:
        """Ask for an orderly end; asked again, for a quick one."""
        (self._hurry if self._stop.is_set() else self._stop).set()

    async def run(self) -> None:
        """Start everything, keep it running until `stop`, stop it in order. Raises `DarkroomError` when it cannot go on."""
        data = self._options.data
        self._claim = await asyncio.to_thread(_claim, data)
        try:
            running.note(data).unlink(missing_ok=True)
            await self._live_and_end()
        finally:
            running.note(data).unlink(missing_ok=True)
            self._claim.release()

    async def _live_and_end(self) -> None:
        life = asyncio.create_task(self._live())
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((life, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            life.cancel()
            failure = (await asyncio.gather(life, return_exceptions=True))[0]
            await self._end()
        if isinstance(failure, Exception):
            raise innermost(failure)

    async def _live(self) -> None:
        """Kafka, then the topics, then the rest; all kept until cancelled."""
        async with asyncio.TaskGroup() as group:
            settings = settle(self._options, await self._start_kafka(group))
            await create_topics(settings.kafka.brokers, settings.topics)
            self._settings = settings
            self._keeper.parts += (parts := programs(self._options, settings, self._claim.fd))
            for part in parts:
                group.create_task(self._keeper.keep(part))
            group.create_task(self._keeper.cap_logs())

    async def _start_kafka(self, group: asyncio.TaskGroup) -> str:
        if self._options.kafka:
            self._keeper.kafka_up.set()
            return self._options.kafka
        broker = LocalKafka(self._options.data / "kafka", self._options.kafka_port, progress=self._download)
        kafka = Kafka(broker)
        self._keeper.parts.append(kafka)
        group.create_task(self._keeper.keep(kafka))
        await self._keeper.kafka_up.wait()
        return broker.bootstrap

    async def _end(self) -> None:
        """What takes jobs in ends first, then what settles them, Kafka last."""
        parts = self._keeper.parts
        hurry = asyncio.create_task(self._kill_on_hurry())
        for stage in ("worker", "streams"), ("settle",), ("kafka",):
            leaving = [part.stop(self._patience(part)) for part in parts if part.name.startswith(stage)]
            await asyncio.gather(*leaving)
        hurry.cancel()

    async def _kill_on_hurry(self) -> None:
        await self._hurry.wait()
        for part in self._keeper.parts:
            await asyncio.to_thread(part.kill)

    def _patience(self, part: Part) -> float:
        grace = self._settings.worker.grace_s if self._settings and part.name.startswith("worker") else 0.0
        return grace + STOP_S

    def _changed(self) -> None:
        """Renew the notes after a part was started."""
        self._claim.record(part.pid for part in self._keeper.parts if part.pid and part.name != "kafka")
        self._announced = self._announced or (self._settings is not None and self._keeper.all_ready)
        if self._announced and self._settings:
            first = not running.note(self._options.data).exists()
            now = self._running(self._settings)
            running.write(self._options.data, now)
            if first:
                self._tell_ready(now)

    def _running(self, settings: Settings) -> Running:
        parts = self._keeper.parts
        return Running(
            pid=os.getpid(),
            started_at=self._started_at,
            bootstrap_servers=settings.kafka.bootstrap_servers,
            secured=settings.kafka.brokers.protocol != "PLAINTEXT",
            prefix=settings.kafka.prefix,
            pools=list(settings.streams.pools),
            topics={role: getattr(settings.topics, role) for role in ROLES},
            objects=_folder(settings.store.objects),
            job_store=settings.store.jobs,
            catalog=settings.models.catalog,
            tenants=str(Path(settings.tenants.file).resolve()) if settings.tenants.file else "",
            logs=str(self._options.data / "logs"),
            processes=[Process(name=part.name, pid=part.pid, http_port=part.http_port) for part in parts if part.pid],
        )


def _claim(data: Path) -> Claim:
    try:
        return Claim(data, "pids.json")
    except DataDirInUseError as error:
        raise DarkroomError(str(error)) from None


def _folder(url: str) -> str:
    parts = urlsplit(url)
    return str(Path(unquote(parts.path)).resolve()) if parts.scheme == "file" else url
