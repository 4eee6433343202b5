"""Faust's consumer with chunks for messages and our ledger for its bookkeeping."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP
from mode import Service

from streams.chunks.fetch import FetchThread, Place, Run
from streams.chunks.ledger import Hole, Ledger, Partition
from streams.chunks.message import TrackedMessage, chunk_message, record_message
from streams.chunks.pending import Pending, Slice, cut
from streams.chunks.watch import keep_watch
from streams.chunks.watchdog import Sight

#: Longest wait for the last commit of partitions that are being taken away; the group waits for us meanwhile.
REVOKE_COMMIT_TIMEOUT_S = 2.0


class _NoReadOffsets(dict[Any, int | None]):
    """Faust drops what lies before the highest offset it read, and would drop what we read again on purpose."""

    def __missing__(self, key: Any) -> None:
        return None

    def __setitem__(self, key: Any, value: Any) -> None:
        """Nothing is remembered."""

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is remembered."""


class ChunkConsumer(Consumer):
    """Delivers slices in order, refuses holes, commits what the ledger says."""

    _thread: FetchThread
    transport: Any  # a ChunkTransport; Faust's own annotation knows nothing of it

    def __init__(self, transport: Any, callback: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(transport, callback, *args, **kwargs)
        self._read_offset = _NoReadOffsets()
        self._pending = Pending()
        self._emptied = False  # agents' queues were cleared under chunks of the present epoch
        self._looking: asyncio.Future[Any] | None = None  # the look under way
        self._committing = 0  # the epoch of the commit under way; Faust has one at a time
        self.ledger = Ledger(monotonic, transport.window, on_room=self._look_again)

    def _new_consumer_thread(self) -> FetchThread:
        return FetchThread(self, loop=self.loop, beacon=self.beacon)

    def on_init_dependencies(self) -> Iterable[Any]:
        if self.app.tables:
            raise RuntimeError("streams.chunks does not serve apps with Faust Tables: their recovery seeks on its own")
        return super().on_init_dependencies()

    async def on_stop(self) -> None:
        """End the look that is under way while the thread can still answer."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await super().on_stop()

    @Service.task
    async def _watch(self) -> None:
        await keep_watch(self, self.transport.watch)

    # -- fetching and delivering

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:
        if not self.flow_active:
            await self.wait_first(self.can_resume_flow.wait())
        if not self.app.flow_control.is_active():
            await self.wait_first(self.app.flow_control.acquire(), timeout=timeout)
            return
        if self._emptied:
            await self.perform_seek()
        self._offer()
        for run in await self._thread.poll(timeout):
            self._receive(run)
        for piece in self._pending.take(self._may_deliver):
            if piece.epoch != self._thread.epoch:
                return  # a rebalance or rewind overtook it; it will be read again
            try:
                yield TP(*piece.partition), self._deliver(piece)
            except Hole as hole:
                self.log.warning("A run was lost between fetch and delivery, reading it again: %s", hole)
                await self._mend(piece)
                return

    async def _mend(self, piece: Slice) -> None:
        self._pending.drop(piece.partition)
        if (tail := self.ledger.tail(piece.partition)) is not None:
            await self._thread.mend(piece.epoch, piece.partition, tail)

    def _offer(self) -> None:
        """Tell the thread which partitions to take from: the active ones with room and with nothing waiting here."""
        waiting = self._pending.partitions()
        active = (Partition(*tp) for tp in self._get_active_partitions())
        self._thread.want(p for p in active if p not in waiting and self.ledger.has_room(p))

    def _receive(self, run: Run) -> None:
        if run.epoch != self._thread.epoch:
            return
        self._start_epoch(run.epoch)
        self.ledger.open(run.partition, run.first)
        self.app.monitor.track_tp_end_offset(TP(*run.partition), run.highwater)
        most = self.transport.chunk_max if run.partition.topic in self.transport.chunk_topics else 1
        self._pending.add(cut(run, most), run.partition)

    def _may_deliver(self, partition: Partition) -> bool:
        return self.flow_active and self.app.flow_control.is_active() and not self.held_back(partition)

    def held_back(self, partition: Partition) -> bool:
        """The agent's queue or the window is full: this partition waits, the others go on."""
        return TP(*partition) in self._buffered_partitions or not self.ledger.has_room(partition)

    def _deliver(self, piece: Slice) -> TrackedMessage:
        delivery = self.ledger.deliver(piece.partition, piece.start, piece.end, len(piece.chunk))
        if piece.partition.topic in self.transport.chunk_topics:
            return chunk_message(delivery, self.ledger.ack, piece.chunk, self.app.consumer_generation_id)
        return record_message(delivery, self.ledger.ack, piece.chunk.records[0], self.app.consumer_generation_id)

    def _start_epoch(self, epoch: int) -> None:
        if epoch > self.ledger.epoch:
            self._emptied = False
            self._pending.clear()
            self.ledger.begin(epoch)

    # -- room

    def _look_again(self) -> None:
        self._offer()
        self._thread.wake()

    def on_buffer_drop(self, tp: Any) -> None:
        super().on_buffer_drop(tp)
        self._look_again()

    def resume_partitions(self, tps: Iterable[Any]) -> None:
        super().resume_partitions(tps)
        self._look_again()

    # -- commits

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (TP(*p) for p in self.ledger.committable() if topics is None or p in topics or p.topic in topics)

    def _filter_committable_offsets(self, tps: Iterable[Any]) -> dict[Any, int]:
        self._acked.clear()  # Faust's own books of the same things
        self._acked_index.clear()
        self._committing = self.ledger.epoch
        offsets = self.ledger.committable()
        return {tp: offsets[Partition(*tp)] for tp in tps if Partition(*tp) in offsets}

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        epoch = self._committing
        done = await self._thread.commit_in(epoch, dict(offsets))
        if done:
            self.ledger.committed(epoch, {Partition(*tp): offset for tp, offset in offsets.items()})
        return done

    async def verify_all_partitions_active(self) -> None:
        """Our watch replaces Faust's, which takes a chunk that is held on purpose for an error and only logs."""

    # -- rebalances and rewinds

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.commit(), REVOKE_COMMIT_TIMEOUT_S)
        self._pending.clear()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        self._start_epoch(self._thread.epoch)
        await super().on_partitions_assigned(assigned, generation_id)

    def resume_flow(self) -> None:
        """Faust has just cleared the agents' queues. With one rebalance upon another it may do so after we delivered again."""
        super().resume_flow()
        self._emptied = any(True for _ in self.ledger.oldest())

    async def perform_seek(self) -> None:
        """Read again whatever is not committed. Faust's own leaves a partition without a commit where it is, and loses."""
        await self.commit()
        await self._thread.rewind(self.ledger.resume_points())
        self._start_epoch(self._thread.epoch)

    async def seek(self, partition: Any, offset: int) -> None:
        raise NotImplementedError("the ledger decides what is read next; seek with the group stopped")

    # -- for the watch

    async def sights(self) -> list[Sight]:
        """Every assigned partition as it stands now; asks the broker for the ends."""
        self._looking = asyncio.ensure_future(self._thread.places())
        return [self._sight(place) for place in await self._looking]

    def _sight(self, place: Place) -> Sight:
        tail = self.ledger.tail(place.partition)
        # what follows the last record taken may be control records only, which are never delivered
        behind = place.taken is not None and tail is not None and tail < place.taken
        position = tail if behind else place.position
        return Sight(partition=place.partition, position=position, end=place.end, held_back=self.held_back(place.partition))
