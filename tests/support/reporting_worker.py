"""A GPU consumer's face towards the scheduler, with no engine behind it: takes batches, notes what ran, commits, reports."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.codec import Decoder, encode
from contracts.work import Batch, Ran, WorkerReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.topics import Topics

batch_of = Decoder(Batch)
REPORT_S = 0.5


class ReportingWorker:
    """One worker of a pool. `run_s`: how long it takes over a batch."""

    def __init__(self, bootstrap: str, topics: Topics, *, pool: str = "default", run_s: float = 0.0) -> None:
        self.name = f"worker-{uuid4().hex[:8]}"
        self.ran: Counter[tuple[str, int]] = Counter()
        """(id, attempt) to the number of times it was run."""
        self.batches: list[Batch] = []
        self.models = ["noop@1"]
        self.slots = 2
        self.run_s = run_s
        self.taken = 0
        """Batches that it began."""
        self.turns: asyncio.Semaphore | None = None
        """Where somebody else says when a batch ends: once for each that is released."""
        self.measured: list[Ran] = []
        """Runs to tell of in the next report."""
        self.memory_bytes: int | None = None
        """Of its device."""
        self._pool = pool
        self._topics = topics
        self._positions: dict[int, int] = {}
        self._consumer = AIOKafkaConsumer(
            topics.batches(pool),
            bootstrap_servers=bootstrap,
            group_id=topics.group(f"gpu.{pool}"),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=3000,
            heartbeat_interval_ms=500,
            fetch_max_wait_ms=50,
            max_poll_records=1,
        )
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._producer.start()
        await self._consumer.start()
        self._tasks = [asyncio.ensure_future(self._work()), asyncio.ensure_future(self._every_so_often())]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.vanish()
        await self._report(leaving=True)
        await self._producer.stop()
        await self._consumer.stop()

    async def vanish(self) -> None:
        """Fall silent without a word, as a killed process does."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            taken = await self._consumer.getmany(timeout_ms=100)
            for tp, records in taken.items():
                for record in records:
                    await self._run(tp, record)

    async def _run(self, tp: TopicPartition, record: Any) -> None:
        batch = batch_of(record.value)
        self.taken += 1
        await asyncio.sleep(self.run_s)
        if self.turns is not None:
            await self.turns.acquire()
        self.batches.append(batch)
        self.ran.update((job.id, job.attempt) for job in batch.jobs)
        await self._consumer.commit({tp: record.offset + 1})
        await self._report()

    async def _every_so_often(self) -> None:
        while True:
            await self._report()
            await asyncio.sleep(REPORT_S)

    async def _report(self, *, leaving: bool = False) -> None:
        owned = self._consumer.assignment()
        positions = {tp.partition: (await self._consumer.committed(tp)) or 0 for tp in owned}
        report = WorkerReport(
            worker=self.name,
            pool=self._pool,
            at=time.time(),
            generation=self._generation(),
            leaving=leaving,
            positions=positions,
            models=self.models,
            slots=self.slots,
            ran=self.measured,
            memory_bytes=self.memory_bytes,
            held_bytes=500_000_000 if self.memory_bytes else 0,
        )
        self.measured = []
        await self._producer.send_and_wait(self._topics.workers, encode(report), key=self.name.encode())

    def _generation(self) -> int:
        generation: int = self._consumer._coordinator.generation
        return generation


def only(batches: list[Batch], of: Callable[[Batch], bool]) -> list[Batch]:
    return [batch for batch in batches if of(batch)]
