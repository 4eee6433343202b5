"""pull: `overflow.<pool>` → `queue.<pool>.<tier>` when a job's tenant has room in the window again.

Who stands before others that have room, in a partition that they share, is moved out of their way.

A step is one Kafka transaction: the job's new record on its queue and the offset in overflow. So it is in one place at any
time, and all that holds for jobs on queues holds for it from then on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from itertools import takewhile
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from contracts.brokers import Reach
from contracts.codec import Decoder
from contracts.events import TERMINAL, Tier
from contracts.headers import INVITED, SOURCE, event_headers
from contracts.publish import discard, write
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import QueuedHead
from streams.expire import expired
from streams.policy.batching import Scheduler
from streams.policy.overflow import Owner
from streams.ports import JobRow, JobStore, StoreUnavailable
from streams.reader import reader
from streams.tell import Clock, Tell
from streams.transactions.lanes import transactional

log = logging.getLogger(__name__)

CHUNK_MAX = 500
"""Jobs that come back in one transaction."""

POLL_MS = 200
"""How long to wait for records that are known to be there."""

LOOK_S = 0.25
"""How often to look whether there is room again, without being told."""

PAUSE_S = 0.5
"""Before it starts over."""

FENCED_S = 5.0
"""The same when another process may be at it."""

head_of = Decoder(QueuedHead)


class Aside(NamedTuple):
    """A job at the front of a partition of overflow."""

    record: Any
    head: QueuedHead

    @property
    def owner(self) -> Owner:
        """Whose it is."""
        return self.head.tier, self.head.tenant

    @property
    def partition(self) -> int:
        """Where it is."""
        return int(self.record.partition)


class Pull:
    """Of one pool, in the process that schedules it, for as long as it does."""

    def __init__(
        self,
        *,
        pool: str,
        topics: Topics,
        brokers: Reach,
        store: JobStore,
        scheduler: Scheduler,
        left: asyncio.Event,
        clock: Clock,
    ) -> None:
        """`left`: set when there may be something to do."""
        self._topics = topics
        self._pool = pool
        self._brokers = brokers
        self._store = store
        self._scheduler = scheduler
        self._left = left
        self._clock = clock
        self._group = topics.group("overflow")
        self._places = [TopicPartition(topics.overflow(pool), number) for number in range(topics.overflow_partitions)]
        self._front: dict[int, deque[Aside]] = {}
        self._everything: Any = None
        self._looked = 0.0
        self._tell = Tell(topics, "batch")
        self._headers = [INVITED, *event_headers("queued", "batch")]
        self._new_producer: Callable[[str], AIOKafkaProducer] = transactional(brokers)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._run(), name=f"pull {self._pool}")

    def leave(self) -> None:
        """Stop; what is under way is given up, and is done by whoever comes next."""
        if self._task is not None:
            self._task.cancel()

    async def stopped(self) -> None:
        """Returns when it has stopped."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._own()
            except ProducerFenced:
                # By a successor: then this ends soon. Or the broker had waited too long for a transaction of ours.
                log.warning("overflow of %s was taken over", self._pool)
                await asyncio.sleep(FENCED_S)
            except Exception as error:  # whatever it was, the last commit stands and the jobs come again
                known = isinstance(error, (KafkaError, OSError))
                log.warning("pull of %s starts over: %s", self._pool, type(error).__name__, exc_info=not known)
                await asyncio.sleep(PAUSE_S)

    async def _own(self) -> None:
        async with self._reader("read_committed") as consumer, self._reader("read_uncommitted") as self._everything:
            consumer.assign(self._places)
            await self._look(consumer)
            while not self._scheduler.overflow.jobs():
                await self._news()
            await self._work(consumer)

    def _reader(self, isolation_level: str) -> AbstractAsyncContextManager[Any]:
        return reader(self._brokers, self._group, isolation_level=isolation_level, fetch_max_wait_ms=POLL_MS)

    async def _look(self, consumer: Any) -> None:
        """Say what is there."""
        self._scheduler.overflow.count_again()
        self._front = {place.partition: deque() for place in self._places}
        begins, ends = await consumer.beginning_offsets(self._places), await self._ends(self._places)
        for place in self._places:
            at = await consumer.committed(place)
            start = begins[place] if at is None else max(at, begins[place])
            consumer.seek(place, start)
            self._scheduler.overflow.found(place.partition, ends[place] - start)

    async def _news(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._left.wait()
        self._left.clear()

    async def _work(self, consumer: Any) -> None:
        # The order matters: starting the producer ends the transactions of whoever was here before. Only then do the
        # committed offsets tell what has gone back.
        producer = self._new_producer(f"{self._group}-{self._pool}")
        try:
            await producer.start()
            await self._look(consumer)
            while True:
                await self._fetch(consumer)
                if not await self._step(producer):
                    await self._news()
        finally:
            await discard(producer)

    async def _step(self, producer: AIOKafkaProducer) -> bool:
        """Whether there was anything to do."""
        chosen = list(self._choose())
        if chosen:
            await self._bring_back(producer, chosen)
        # In any case: jobs that run faster than this goes round would have their tenant's others chosen each time, and
        # whoever is behind them would wait for all of them.
        blocked = self._blocked()
        if blocked is not None:
            await self._make_way(producer, blocked)
            if chosen:
                self._looked = self._clock()  # not every time: moving costs as much as bringing back
        return bool(chosen) or blocked is not None

    async def _fetch(self, consumer: Any) -> None:
        """See who is at the front of each partition."""
        records = self._scheduler.overflow.records
        empty = [place for place in self._places if records[place.partition] and not self._front[place.partition]]
        if not empty:
            return
        known = [records[place.partition] for place in empty]
        patience_ms = 0 if any(self._front.values()) else POLL_MS
        fetched = await consumer.getmany(*empty, timeout_ms=patience_ms, max_records=CHUNK_MAX)
        for place, found in fetched.items():
            self._front[place.partition] += (Aside(record, head_of(record.value)) for record in found)
        for place, count in zip(empty, known, strict=True):
            if place not in fetched and patience_ms:
                await self._perhaps_empty(consumer, place, count)

    async def _ends(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where they end, with what nobody may read yet.

        A transaction is visible only some time after its commit was answered, and until then hides what others wrote behind it.
        """
        ends: dict[TopicPartition, int] = await self._everything.end_offsets(places)
        return ends

    async def _perhaps_empty(self, consumer: Any, place: TopicPartition, count: int) -> None:
        """What was thought to be there were marks of transactions, or was told twice."""
        end = (await self._ends([place]))[place]
        if await consumer.position(place) >= end and self._scheduler.overflow.records[place.partition] == count:
            self._scheduler.overflow.empty(place.partition)

    def _choose(self) -> Iterator[Aside]:
        """Those at the front that may come back now."""
        window, overflow = self._scheduler.window, self._scheduler.overflow
        invited: dict[Owner, int] = {}
        promised: Counter[Tier] = Counter()
        count = 0
        for partition, front in self._front.items():
            for aside in front:
                owner = aside.owner
                if owner not in invited:
                    overflow.met(owner, partition)
                    invited[owner] = overflow.invites(owner, window, promised[owner[0]])
                if not invited[owner] or count == CHUNK_MAX:
                    break
                invited[owner] -= 1
                promised[owner[0]] += 1
                count += 1
                yield aside

    def _blocked(self) -> int | None:
        """A partition in which somebody stands before others who have room. Looked for now and then."""
        now = self._clock()
        if now - self._looked < LOOK_S:
            return None
        window, overflow = self._scheduler.window, self._scheduler.overflow
        fronts = ((partition, front[0].owner) for partition, front in self._front.items() if front)
        found = next((place for place, owner in fronts if overflow.stands_before(owner, place, window)), None)
        if found is None:
            self._looked = now
        return found

    async def _make_way(self, producer: AIOKafkaProducer, partition: int) -> None:
        overflow, front = self._scheduler.overflow, self._front[partition]
        owner = front[0].owner
        moved = list(takewhile(lambda aside: aside.owner == owner, front))
        there = overflow.elsewhere(owner, partition)
        # Without a source: the record that it was made from still names it, for whoever reads back.
        headers = [(SOURCE, b""), *self._headers[1:]]
        topic = self._topics.overflow(self._pool)
        await self._commit(producer, [Record(topic, one.record.key, one.record.value, headers, there) for one in moved], moved)
        for _ in moved:
            overflow.moved_on(partition, there)

    async def _bring_back(self, producer: AIOKafkaProducer, chosen: Sequence[Aside]) -> None:
        rows = await asyncio.gather(*(self._row(aside.head) for aside in chosen))
        now, overflow, records, invited = self._clock(), self._scheduler.overflow, list[Record](), list[Owner]()
        for aside, row in zip(chosen, rows, strict=True):
            head = aside.head
            if row is not None and (row.state in TERMINAL or row.attempt > head.attempt):
                continue
            if head.deadline is not None and head.deadline <= now:
                records.append(self._tell.outcome(expired(head, now)))
                continue
            # Before it is written: it may be there before this process hears so.
            overflow.invite(aside.owner)
            invited.append(aside.owner)
            queue = self._topics.queue(self._pool, head.tier)
            records.append(Record(queue, head.id.encode(), aside.record.value, self._headers))
        try:
            await self._commit(producer, records, chosen)
        except BaseException:
            for owner in invited:  # they are invited again, or were written after all: then they come all the same
                overflow.expected_no_more(owner)
            raise
        for aside in chosen:
            overflow.left(aside.owner, aside.partition)

    async def _row(self, head: QueuedHead) -> JobRow | None:
        """What is known of a job that may have ended meanwhile: it was cancelled, or had a second record that was run."""
        try:
            return await self._store.get(head.tenant, head.id)
        except StoreUnavailable:
            return None  # running what was cancelled is better than running nothing; settle drops the outcome

    async def _commit(self, producer: AIOKafkaProducer, records: Sequence[Record], done: Sequence[Aside]) -> None:
        """In one transaction: these are written, and those are through, the first ones of their partitions."""
        offsets = {self._places[one.partition]: one.record.offset + 1 for one in done}
        await producer.begin_transaction()
        await asyncio.gather(write(producer, records), producer.send_offsets_to_transaction(offsets, self._group))
        await producer.commit_transaction()
        for one in done:
            self._front[one.partition].popleft()
