"""The consumer thread: takes runs of records off aiokafka and stamps each with where it belongs."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from streams.chunks.ledger import Partition


@dataclass(slots=True, frozen=True, kw_only=True)
class Place:
    """Where reading of one partition stands."""

    partition: Partition
    position: int | None  # aiokafka's next offset; None until the broker has told where to begin
    taken: int | None  # where the last run of this epoch ended
    end: int  # the partition's end at the broker, for committed records if the consumer reads only those


@dataclass(slots=True, frozen=True)
class Run:
    """What one fetch took from one partition. ``start`` is where the run before it ended, so that a lost one shows as a hole."""

    partition: Partition
    epoch: int
    first: int  # the first offset of this partition that was taken in this epoch
    start: int
    end: int  # exclusive; past the last record when control records follow it
    records: Sequence[Any]
    highwater: int


class FetchThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with our fetch.

    Faust's own awaits aiokafka for one fixed set of partitions, at most 1 s: a partition that gets room again meanwhile waits
    it out, and a set that a rebalance empties meanwhile means "all" to aiokafka, whose records Faust then drops. Here the set
    is read anew at every take, a change of it ends the wait, and what is taken is stamped in the same step of the loop.
    """

    epoch: int = 0
    _wanted: frozenset[Any] = frozenset()
    _news: asyncio.Event
    _seen: Any = None  # the aiokafka Assignment that this epoch reads from

    def __post_init__(self) -> None:
        super().__post_init__()
        self._news = asyncio.Event()
        self._first: dict[Partition, int] = {}  # this epoch: offset of the first record taken
        self._next: dict[Partition, int] = {}  # this epoch: position after the last take

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes these two at 1500 and read_uncommitted, and has no settings for them
        consumer._fetch_max_wait_ms = transport.fetch_max_wait_ms
        consumer._isolation_level = "read_committed"  # what an aborted transaction wrote was never sent
        return consumer

    # -- called from the main thread

    def want(self, partitions: Iterable[Any]) -> None:
        """Take from these partitions from now on; ends a wait when one is new."""
        wanted = frozenset(partitions)
        grown = not wanted <= self._wanted
        self._wanted = wanted
        if grown:
            self.wake()

    def wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: a late acknowledgement after the stop
            self.thread_loop.call_soon_threadsafe(self._news.set)

    async def poll(self, timeout: float) -> list[Run]:
        """Runs of the wanted partitions as soon as there are any, none after ``timeout`` seconds or when woken."""
        runs: list[Run] = await self.call_thread(self._poll, timeout)
        return runs

    async def rewind(self, points: dict[Partition, int]) -> None:
        """Read again from ``points`` (partitions not named there: from this epoch's first record), in a new epoch."""
        await self.call_thread(self._rewind, points)

    async def mend(self, epoch: int, partition: Partition, offset: int) -> None:
        """Read one partition again from ``offset``, within the epoch: nothing that was delivered becomes void."""
        await self.call_thread(self._mend, epoch, partition, offset)

    async def commit_in(self, epoch: int, offsets: dict[Any, int]) -> bool:
        """Commit, unless a rebalance or a rewind has ended that epoch."""
        done: bool = await self.call_thread(self._commit_in, epoch, offsets)
        return done

    async def places(self) -> list[Place]:
        """Where every assigned partition stands, as the broker tells it now."""
        # not by call_thread: its two workers are for polls and commits, and this may wait long for a broker
        asked = asyncio.run_coroutine_threadsafe(self._places(), self.thread_loop)
        return await asyncio.wrap_future(asked)

    # -- in the thread's own loop

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        try:
            await super().on_partitions_revoked(revoked)  # commits what is finished, while that is still allowed
        finally:
            self._start_epoch(None)

    def _start_epoch(self, assignment: Any) -> None:
        self.epoch += 1
        self._seen = assignment
        self._first.clear()
        self._next.clear()

    async def _poll(self, timeout: float) -> list[Run]:
        consumer = self._ensure_consumer()
        with consumer._subscription.fetch_context():  # else aiokafka takes a quiet consumer for a dead one
            if consumer._closed or consumer._fetcher._closed:
                raise ConsumerStoppedError
            if runs := await self._take(consumer):
                return runs
            await self._wait(consumer, timeout)
            return await self._take(consumer)

    async def _take(self, consumer: Any) -> list[Run]:
        if not self._wanted or not self.consumer.flow_active or consumer._subscription.reassignment_in_progress:
            return []  # an empty set would mean all partitions to aiokafka
        # with no timeout and no reassignment this does not suspend: the records and their stamp belong together
        taken = await consumer._fetcher.fetched_records(self._wanted, timeout=0, max_records=consumer._max_poll_records)
        assignment = consumer._subscription.subscription.assignment
        if assignment is not self._seen:
            self._start_epoch(assignment)
        return [self._stamp(assignment, tp, records) for tp, records in taken.items()]

    def _stamp(self, assignment: Any, tp: Any, records: Sequence[Any]) -> Run:
        partition = Partition(tp.topic, tp.partition)
        state = assignment.state_value(tp)
        first = self._first.setdefault(partition, records[0].offset)
        start = self._next.get(partition, first)
        self._next[partition] = state.position
        return Run(partition, self.epoch, first, start, state.position, records, state.highwater)

    async def _wait(self, consumer: Any, timeout: float) -> None:
        fetched = consumer._fetcher._create_fetch_waiter()
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait({fetched, news}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            self._news.clear()  # not before the wait: what came between the caller's look and this poll would be lost
            if fetched.done():
                fetched.result()  # an authorization error arrives this way
        finally:
            fetched.cancel()
            news.cancel()

    async def _rewind(self, points: dict[Partition, int]) -> None:
        consumer = self._ensure_consumer()
        assignment = consumer._subscription.subscription.assignment
        if assignment is self._seen:
            for tp in assignment.tps & self._next.keys():
                consumer._fetcher.seek_to(tp, points.get(tp, self._first[tp]))
        self._start_epoch(assignment)

    async def _mend(self, epoch: int, partition: Partition, offset: int) -> None:
        if epoch == self.epoch:
            self._ensure_consumer()._fetcher.seek_to(partition, offset)
            self._next[partition] = offset

    async def _commit_in(self, epoch: int, offsets: dict[Any, int]) -> bool:
        if epoch != self.epoch:
            return False
        done: bool = await self._commit(offsets)
        return done

    async def _places(self) -> list[Place]:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        ends = await consumer.end_offsets(assigned) if assigned else {}
        return [self._place(consumer, Partition(*tp), end) for tp, end in ends.items()]

    def _place(self, consumer: Any, partition: Partition, end: int) -> Place:
        state = consumer._subscription.subscription.assignment.state_value(partition)
        position = state.position if state is not None and state.has_valid_position else None
        return Place(partition=partition, position=position, taken=self._next.get(partition), end=end)
