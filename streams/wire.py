"""How batches reach Kafka: written once, and read back when a write's answer was lost."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from contracts.brokers import Reach
from contracts.publish import Publisher, discard, new_producer, write
from contracts.records import Record
from streams.dispatched import find

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Between looks at a Kafka that does not answer."""

Offset = int | None


class KafkaWire:
    """A pool's way out. A batch that is written twice runs twice, so nothing here writes again on suspicion."""

    def __init__(self, brokers: Reach, publisher: Publisher) -> None:
        self.brokers = brokers
        self._publisher = publisher
        self._producer: AIOKafkaProducer | None = None
        self._changing = asyncio.Lock()
        self._ends: dict[int, int] = {}

    def learn(self, ends: dict[int, int]) -> None:
        """Where the partitions of batches end: no batch of this process lies before, unless its write was answered."""
        self._ends |= ends

    async def stop(self) -> None:
        """Close. Nothing is being sent by now."""
        if self._producer is not None:
            await self._producer.stop()

    async def others(self, records: Sequence[Record]) -> None:
        """Write outcomes and queued jobs, again and again if need be: of these, the first one counts."""
        await self._publisher.publish(records)

    async def batches(self, records: Sequence[Record]) -> list[Offset]:
        """Write batches; the offset of each, None for one that is not there."""
        starts = {_partition(record): self._ends.get(_partition(record), 0) for record in records}
        producer = self._producer
        try:
            producer = producer or await self._replace(None)
            ends = await write(producer, records)
        except (KafkaError, OSError) as error:
            log.warning("writing %d batches failed (%s), looking which arrived", len(records), type(error).__name__)
            await self._replace_patiently(producer)
            return await self._look(records, starts)
        offsets = _offsets(records, {tp.partition: end for tp, end in ends.items()})
        if any(offset is None for offset in offsets):
            return await self._look(records, starts)
        for record, offset in zip(records, offsets, strict=True):
            self._ends[_partition(record)] = max(self._ends.get(_partition(record), 0), (offset or 0) + 1)
        return offsets

    async def _look(self, records: Sequence[Record], starts: dict[int, int]) -> list[Offset]:
        while True:
            try:
                found = await find(self.brokers, records[0].topic, starts)
            except (KafkaError, OSError) as error:
                log.warning("no answer about %d batches (%s)", len(records), type(error).__name__)
                await asyncio.sleep(PAUSE_S)
            else:
                return [found.get(record.key or b"") for record in records]

    async def _replace_patiently(self, broken: AIOKafkaProducer | None) -> None:
        while True:
            try:
                await self._replace(broken)
            except (KafkaError, OSError) as error:
                log.warning("no broker takes batches (%s)", type(error).__name__)
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def _replace(self, broken: AIOKafkaProducer | None) -> AIOKafkaProducer:
        async with self._changing:
            if broken is not None and self._producer is broken:
                self._producer = None
                await discard(broken)
            if self._producer is None:
                self._producer = await _started(self.brokers)
            return self._producer


async def _started(brokers: Reach) -> AIOKafkaProducer:
    producer = new_producer(brokers, client_id="darkroom-batch")
    try:
        await producer.start()
    except BaseException:
        await discard(producer)
        raise
    return producer


def _partition(record: Record) -> int:
    if record.partition is None:
        raise ValueError("a batch goes to a partition that its worker owns")
    return record.partition


def _offsets(records: Sequence[Record], ends: dict[int, int]) -> list[Offset]:
    """The offset of each record, counted back from the end of what was written to its partition."""
    left: dict[int, int] = defaultdict(int)
    for record in records:
        left[_partition(record)] += 1
    offsets: list[Offset] = []
    for record in records:
        end = ends.get(_partition(record))
        offsets.append(None if end is None else end - left[_partition(record)])
        left[_partition(record)] -= 1
    return offsets
