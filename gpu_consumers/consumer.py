"""The consumer of `batches.<pool>`: takes a batch when a slot is free, and commits it once its outcomes are durable.

The order that nothing may break: outputs stored, outcomes acknowledged, offset committed, report sent.

Partitions are not paused while all slots are full: nothing asks for more then, so nothing is handed over, and aiokafka
fetches no further into a partition whose records nobody took. A resumed partition would wait for the running fetch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from contracts.brokers import Reach, client_options
from contracts.topics import MAX_RECORD_BYTES
from gpu_consumers.assign import BusyFirst, Claim
from gpu_consumers.backlog import Backlog
from gpu_consumers.book import Book
from gpu_consumers.flight import Flight, Source
from gpu_consumers.hands import Hands

log = logging.getLogger(__name__)

POLL_MS = 200
"""How long one look for batches lasts; a rebalance is noticed after this at the latest."""
FETCH_WAIT_MS = 200
"""How long the broker holds a fetch open: the longest that a partition passed over in it waits for the next one."""
AGAIN_S = 0.1
FOREVER_MS = 2**31 - 1
"""A batch may run for hours. Liveness is the heartbeat, sent by the loop that does everything else here."""


class Consumer(ConsumerRebalanceListener):
    """One member of the group of a pool's workers."""

    def __init__(
        self, *, topic: str, group: str, brokers: Reach, session_s: float, slots: int, hands: Hands, backlog: Backlog
    ) -> None:
        self._topic = topic
        self._slots = slots
        self._hands = hands
        self._backlog = backlog
        self.book = Book()
        self.settled = asyncio.Event()
        """Set while it is known which partitions are ours."""
        self.generation = -1
        self._assigned = False
        self._changes = 0
        self._wake = asyncio.Event()
        self.leaving = False
        self._on_change: Callable[[], None] = lambda: None
        self._kafka = AIOKafkaConsumer(
            **client_options(brokers),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(BusyFirst(self._claim),),
            session_timeout_ms=int(session_s * 1000),
            heartbeat_interval_ms=int(session_s * 1000 / 4),
            rebalance_timeout_ms=int(session_s * 1000),
            max_poll_interval_ms=FOREVER_MS,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
        )

    async def start(self, on_change: Callable[[], None]) -> None:
        """Join the group."""
        self._on_change = on_change
        self._kafka.subscribe([self._topic], listener=self)
        await self._kafka.start()

    async def stop(self) -> None:
        """Leave the group."""
        await self._kafka.stop()

    async def serve(self) -> None:
        """Take batches until cancelled."""
        while True:
            if not self.settled.is_set():
                await self._settle()
            elif self._free <= 0:
                await self._woken()
            else:
                await self._poll()

    def wake(self) -> None:
        """Something changed that may make room."""
        self._wake.set()

    async def finish(self, flight: Flight) -> None:
        """All outcomes of a batch are durable: commit it. It is in hand until then: who leaves does so after the commit."""
        self.book.done(flight.partition, flight.offset)
        self.wake()
        await self._commit()
        self._hands.forget(flight)
        self._on_change()

    async def committed(self) -> None:
        """Returns when nothing is left to commit: what a rebalance kept from it is, as soon as that is over."""
        while self.book.to_commit():
            await self.settled.wait()
            await self._commit()
            if self.book.to_commit():
                await asyncio.sleep(AGAIN_S)

    # Called by aiokafka, in the middle of a rebalance.

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Everything is taken away at each rebalance; what comes back is known when it is over."""
        del revoked
        self._changes += 1
        self._assigned = False
        self.settled.clear()
        self.wake()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Only noted here: no heartbeats are sent before this returns."""
        del assigned
        self._changes += 1
        self._assigned = True
        self.wake()

    def _claim(self) -> Claim:
        # Who starts anew wants the partitions whose batches need no run because their outputs are in its spool.
        owned = self.book.owned or self._backlog.partitions
        wanted = [flight.partition for flight in self._hands.runs] + self.book.busy + owned
        return Claim(generation=self.generation, owned=[p for p in dict.fromkeys(wanted) if p in owned])

    @property
    def slots(self) -> int:
        """Batches that may be sent beyond those committed: room for work, and those that only wait to be committed."""
        return 0 if self._backlog.full else self._slots + self.book.held - self._running

    @property
    def _free(self) -> int:
        return 0 if self.leaving or self._backlog.full else self._slots - self._running

    @property
    def _running(self) -> int:
        return self.book.in_hand - self._backlog.runs

    async def _woken(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    async def _settle(self) -> None:
        if not self._assigned:
            await self._woken()
            return
        seen, partitions = self._changes, self._kafka.assignment()
        try:
            starts = await self._starts(partitions)
        except (KafkaError, IllegalStateError) as error:
            log.warning("offsets could not be read (%s)", type(error).__name__)
            await asyncio.sleep(AGAIN_S)
            return
        # From here to the end nothing waits: what was fetched before is void, what comes after starts where we say.
        if seen == self._changes:
            self._take_over(starts)
            await self._commit()
            self._on_change()

    async def _starts(self, partitions: set[TopicPartition]) -> dict[int, int]:
        committed = await asyncio.gather(*(self._kafka.committed(tp) for tp in partitions))
        first, end = await asyncio.gather(self._kafka.beginning_offsets(partitions), self._kafka.end_offsets(partitions))
        return {tp.partition: _start(at, first[tp], end[tp]) for tp, at in zip(partitions, committed, strict=True)}

    def _take_over(self, starts: dict[int, int]) -> None:
        assigned = self.book.assign(starts)
        for partition, offset in assigned.seek.items():
            self._kafka.seek(TopicPartition(self._topic, partition), offset)
        lost = set(assigned.lost)
        for flight in self._hands.runs:
            if (flight.partition, flight.offset) in lost:
                log.warning("a running batch is another worker's now", extra={"partition": flight.partition})
                self._hands.give_up(flight)
        self.generation = self._kafka._coordinator.generation  # noqa: SLF001 - aiokafka tells it nowhere else
        self.settled.set()

    async def _poll(self) -> None:
        found = await self._kafka.getmany(timeout_ms=POLL_MS, max_records=self._free)
        # No other task ran since the records were handed over; a rebalance before that makes them void.
        if not self.settled.is_set() or self.leaving:
            return
        for flight in [f for records in found.values() for record in records for f in self._taken(record)]:
            await self._hands.begin(flight)

    def _taken(self, record: Any) -> list[Flight]:
        if not self.book.take(record.partition, record.offset):
            return []
        source = Source(topic=self._topic, partition=record.partition, offset=record.offset)
        return [self._hands.accept(source, record.value)]

    async def _commit(self) -> None:
        positions = self.book.to_commit()
        if not positions or not self.settled.is_set():
            return
        offsets = {TopicPartition(self._topic, p): OffsetAndMetadata(at, "") for p, at in positions.items()}
        try:
            await self._kafka.commit(offsets)
        except (KafkaError, IllegalStateError) as error:
            # Lost partitions are another's to commit; those we keep are committed when that is known.
            log.warning("a commit was refused (%s)", type(error).__name__)
        else:
            self.book.note_committed(positions)


def _start(committed: int | None, first: int, end: int) -> int:
    return committed if committed is not None and first <= committed <= end else first
