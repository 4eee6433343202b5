"""Workers to start and kill, and the check that nothing is missing and nothing was committed too early."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.support.chunk_app import committed

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Collection, Mapping

Place = tuple[str, int]


def missing(inputs: Mapping[Place, list[bytes]], outputs: Collection[bytes]) -> list[bytes]:
    """Inputs without an output."""
    return [value for values in inputs.values() for value in values if value not in outputs]


def too_early(
    commits: Mapping[Place, int | None], inputs: Mapping[Place, list[bytes]], outputs: Collection[bytes]
) -> list[bytes]:
    """Inputs before a commit that have no output; offset and index agree, for each partition is written once, in order."""
    return [value for place, offset in commits.items() for value in inputs[place][: offset or 0] if value not in outputs]


class Outputs:
    """All values of the out topic so far, with their number of copies."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self.counts: Counter[bytes] = Counter()
        self._consumer = consumer
        self._partition = TopicPartition(topic, 0)

    async def read(self) -> Counter[bytes]:
        """Read what was there when asked."""
        end = (await self._consumer.end_offsets([self._partition]))[self._partition]
        while await self._consumer.position(self._partition) < end:
            for records in (await self._consumer.getmany(timeout_ms=200)).values():
                self.counts.update(record.value for record in records)
        return self.counts


@asynccontextmanager
async def reading(bootstrap: str, topic: str) -> AsyncIterator[Outputs]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        yield Outputs(consumer, topic)
    finally:
        await consumer.stop()


class Crew:
    """The workers of one group. Leaving the context kills those that still run."""

    def __init__(self, bootstrap: str, topics: list[str], out: str, module: str = "tests.support.chunk_worker") -> None:
        self._argv = ["-m", module, bootstrap, ",".join(topics), "--out", out, "--group", out]
        self.bootstrap = bootstrap
        self.group = out
        self.running: list[Process] = []

    async def start(self) -> Process:
        worker = await asyncio.create_subprocess_exec(sys.executable, *self._argv)
        self.running.append(worker)
        return worker

    async def end(self, worker: Process, how: signal.Signals) -> int:
        self.running.remove(worker)
        assert worker.returncode is None, f"a worker ended by itself with status {worker.returncode}"
        worker.send_signal(how)
        return await worker.wait()

    async def commits(self, places: Collection[Place]) -> dict[Place, int | None]:
        return {place: await committed(self.bootstrap, self.group, *place) for place in places}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.running:
            if worker.returncode is None:
                worker.kill()
            await worker.wait()
