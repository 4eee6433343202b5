"""Schedulers as processes, on topics of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from contracts.publish import Publisher
from infra.settings import Kafka, Models, Settings, Store, Streams, to_env
from tests.support.queued import queue_record, queued_job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from pathlib import Path

    from tests.support.reporting_worker import ReportingWorker

SESSION_S = 6.0
"""As shipped: on a loaded machine a shorter one expires without anybody having died."""


def settings_for(
    bootstrap: str, prefix: str, *, window_jobs: int = 5000, jobs: str = "memory:", models: Models | None = None
) -> Settings:
    """Small and quick."""
    return Settings(
        models=models or Models(),
        store=Store(jobs=jobs),
        kafka=Kafka(
            bootstrap_servers=bootstrap,
            prefix=f"{prefix}.",
            partitions=1,
            batch_partitions=4,
            overflow_partitions=2,
            session_timeout_s=SESSION_S,
        ),
        streams=Streams(window_jobs=window_jobs),
    )


async def create_all(settings: Settings) -> None:
    """Every topic of these settings."""
    specs = settings.topics.specs()
    topics = [NewTopic(one.name, one.partitions, 1, topic_configs=dict(one.config)) for one in specs]
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics(topics)
    finally:
        await admin.close()


async def members(settings: Settings) -> int:
    """Members of the streams group, once it is stable; 0 before."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    await admin.start()
    try:
        answers = await admin.describe_consumer_groups([settings.topics.group("streams")])
    finally:
        await admin.close()
    _, _, state, _, _, joined, *_ = answers[0].groups[0]
    return len(joined) if state == "Stable" else 0


class SchedulerProcess:
    """One scheduler; its log goes to a file beside the test's other things."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._env = {**os.environ, **to_env(settings)}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> Self:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "tests.support.scheduler_program"]
            self._process = await asyncio.create_subprocess_exec(
                *command, env=self._env, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        return self

    async def scheduling(self) -> None:
        """Returns once it schedules."""
        assert self._process
        assert self._process.stdout
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        if line != b"scheduling\n":
            raise AssertionError(f"the scheduler ended: {self._log.read_text()[-2000:]}")

    def takeovers(self) -> int:
        """How often it took over the queues, by its log."""
        return self._log.read_text().count("INFO:streams.scheduler:scheduling ")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it stand still, as a machine that swaps or sleeps does."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Its exit status, once it has ended."""
        assert self._process
        return await asyncio.wait_for(self._process.wait(), 30)

    async def stop(self) -> int:
        """Ask it to stop; its exit status."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        if self.running:
            self._send(number)
        return await self.ended()


async def kill_all(processes: Iterable[SchedulerProcess]) -> None:
    """Leave none behind."""
    for process in processes:
        if process.running:
            await process.kill()


@asynccontextmanager
async def system(bootstrap: str, prefix: str, tmp_path: Path, **options: Any) -> AsyncIterator[tuple[Settings, Any, Publisher]]:
    """Topics, a way to start schedulers, and a publisher."""
    settings = settings_for(bootstrap, prefix, **options)
    await create_all(settings)
    started: list[SchedulerProcess] = []

    async def scheduler() -> SchedulerProcess:
        process = await SchedulerProcess(settings, tmp_path / f"scheduler-{len(started)}.log").start()
        started.append(process)
        return process

    async with Publisher(bootstrap) as publisher:
        try:
            yield settings, scheduler, publisher
        finally:
            await kill_all(started)


async def queue(publisher: Publisher, settings: Settings, ids: Sequence[str], **changes: Any) -> None:
    await publisher.publish([queue_record(settings.topics, queued_job(one, **changes)) for one in ids])


def ran(workers: Sequence[ReportingWorker]) -> Counter[str]:
    total: Counter[str] = Counter()
    for worker in workers:
        for (job_id, _), times in worker.ran.items():
            total[job_id] += times
    return total
