"""One partition, worked through chunk by chunk, each in one Kafka transaction with its offsets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from contracts.metrics import Metrics
from contracts.publish import discard, write
from contracts.records import Record

log = logging.getLogger(__name__)

CHUNK_MAX = 500
"""Records in one transaction: beyond that the cost of a transaction is spread thin enough."""

PAUSE_S = 0.5
"""Before a lane that failed starts over."""

POLL_MS = 1000
"""How long to wait for records at a time; one that arrives ends the wait."""


class Lane:
    """Works through one assigned partition until it is stopped. Broken or fenced, it starts over from the last commit."""

    def __init__(
        self,
        partition: TopicPartition,
        *,
        consumer: Any,
        group: str,
        settle: Callable[[Sequence[Any]], Awaitable[Sequence[Record]]],
        new_producer: Callable[[str], AIOKafkaProducer],
        metrics: Metrics,
        fenced_pause_s: float,
    ) -> None:
        """`group`: of the consumers that share the topic; its last word names the stage."""
        stage = group.rpartition(".")[2]
        self._partition = partition
        self._consumer = consumer
        self._group = group
        self._settle = settle
        self._new_producer = new_producer
        self._took = metrics.stage_time.labels(stage)
        self._name = f"{stage} {partition.topic}[{partition.partition}]"
        self._fenced_pause_s = fenced_pause_s
        self._leaving = False
        self._idle = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self, patience_s: float) -> None:
        """Finish the chunk under way; cut it off after `patience_s`, which aborts its transaction."""
        self._leaving = True
        if self._task is not None:
            if not self._idle:
                await asyncio.wait([self._task], timeout=patience_s)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._leaving:
            try:
                await self._own()
            except ProducerFenced:
                # Another process took the partition over. If the group gives it back to us, this lane is stopped and a
                # new one started; fencing the other at once would only make both start over in turn.
                log.warning("%s was taken over", self._name)
                await asyncio.sleep(self._fenced_pause_s)
            except Exception as error:  # whatever it was, the last commit stands and the chunk comes again
                known = isinstance(error, (KafkaError, OSError))
                log.warning("%s starts over: %s", self._name, type(error).__name__, exc_info=not known)
                await asyncio.sleep(PAUSE_S)

    async def _own(self) -> None:
        # The order matters: starting the producer ends the transactions of whoever had the partition before. Only then
        # do the committed offsets tell what is settled.
        producer = self._new_producer(f"{self._group}-{self._partition.topic}-{self._partition.partition}")
        try:
            await producer.start()
            await self._rewind()
            while not self._leaving:
                await self._step(producer)
        except BaseException:
            await discard(producer)
            raise
        await producer.stop()

    async def _rewind(self) -> None:
        committed = await self._consumer.committed(self._partition)
        if committed is None:
            await self._consumer.seek_to_beginning(self._partition)
        else:
            self._consumer.seek(self._partition, committed)

    async def _step(self, producer: AIOKafkaProducer) -> None:
        self._idle = True
        fetched = await self._consumer.getmany(self._partition, timeout_ms=POLL_MS, max_records=CHUNK_MAX)
        self._idle = False
        records = fetched.get(self._partition)
        if not records:
            return
        with self._took.time():
            await self._commit(producer, await self._settle(records), records[-1].offset + 1)

    async def _commit(self, producer: AIOKafkaProducer, decided: Sequence[Record], offset: int) -> None:
        await producer.begin_transaction()
        await asyncio.gather(
            write(producer, decided),
            producer.send_offsets_to_transaction({self._partition: offset}, self._group),
        )
        await producer.commit_transaction()
