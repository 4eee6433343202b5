"""What was dispatched already, or set aside, read back from there: how a new scheduler takes over.

A job stays uncommitted on its queue while it waits, so a successor gets it again, with others that went out meanwhile. The
batches name the record of each of their jobs, and no job can have been dispatched before its record was written: the
tail of the batches from the time of the oldest uncommitted record on says all that there is to know. Overflow names the
record of each job as well, in the order in which the queue was read: its ends are read backwards.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from msgspec import Struct

from contracts.brokers import Reach
from contracts.codec import Decoder, Invalid
from contracts.events import Tier
from contracts.topics import MAX_RECORD_BYTES, Topics
from streams.reader import reader as new_reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager

log = logging.getLogger(__name__)

SKEW_MS = 60_000
"""How far the clocks of those who write to the queues and to the batches may be apart."""

POLL_MS = 200

STEP = 1000
"""Records of overflow that are read at a time, backwards. Where all of them are committed on their queues, those before are."""


class Run(Struct, frozen=True, gc=False):
    """The part of a job that names its run."""

    tenant: str
    id: str
    attempt: int = 1


class Names(Struct, frozen=True):
    """The part of a batch that names its jobs and their records; all else in it is skipped over."""

    sources: list[tuple[Tier, int]]
    jobs: list[Run]


_names = Decoder(Names)


class Tail(Struct, frozen=True, kw_only=True):
    """What the tails of `batches.<pool>` and `overflow.<pool>` say."""

    ends: dict[int, int]
    """Partition to its end offset."""
    dispatched: list[tuple[Tier, int, Run]]
    """Tier and offset of every job that was dispatched and is not committed on its queue, and its run."""
    aside: list[tuple[Tier, int]] = []
    """Tier and offset of every job that went to overflow and is not committed on its queue."""


async def read_tail(brokers: Reach, topics: Topics, pool: str) -> Tail:
    """Read it back. To be called when the queues' partitions were assigned: their last owner writes no more."""
    async with _reader(brokers, topics.group("streams")) as reader:
        queues = {tier: TopicPartition(name, 0) for tier, name in topics.queues(pool).items()}
        committed = {tier: await _first_open(reader, queue) for tier, queue in queues.items()}
        since = await _oldest(reader, {queues[tier]: offset for tier, offset in committed.items()})
        batches = [TopicPartition(topics.batches(pool), number) for number in range(topics.batch_partitions)]
        ends: dict[TopicPartition, int] = await reader.end_offsets(batches)
        starts = await _starts(reader, list(ends), since)
        records = _records(reader, starts, ends)
        dispatched = [one async for record in records for one in _named(record) if one[1] >= committed[one[0]]]
        overflow = [TopicPartition(topics.overflow(pool), number) for number in range(topics.overflow_partitions)]
        aside = await _aside(reader, overflow, committed, since)
    return Tail(ends={tp.partition: end for tp, end in ends.items()}, dispatched=dispatched, aside=aside)


async def find(brokers: Reach, topic: str, starts: Mapping[int, int]) -> dict[bytes, int]:
    """Batches at or after these offsets: id to offset. For writes whose answer was lost."""
    async with _reader(brokers, None) as reader:
        begins = {TopicPartition(topic, number): offset for number, offset in starts.items()}
        ends = await reader.end_offsets(list(begins))
        return {record.key: record.offset async for record in _records(reader, begins, ends)}


def _reader(brokers: Reach, group: str | None) -> AbstractAsyncContextManager[Any]:
    return new_reader(brokers, group, max_partition_fetch_bytes=MAX_RECORD_BYTES // 4, fetch_max_wait_ms=POLL_MS)


async def _first_open(reader: Any, queue: TopicPartition) -> int:
    """The first offset that the group has not committed."""
    reader.assign([queue])
    committed: int | None = await reader.committed(queue)
    begins: dict[TopicPartition, int] = await reader.beginning_offsets([queue])
    return max(committed or 0, begins[queue])


async def _oldest(reader: Any, offsets: Mapping[TopicPartition, int]) -> int | None:
    """When the oldest uncommitted record of any tier was written (ms); None if all is committed."""
    ends: dict[TopicPartition, int] = await reader.end_offsets(list(offsets))
    times = [await _time_of(reader, tp, offset, ends[tp]) for tp, offset in offsets.items()]
    return min((time for time in times if time is not None), default=None)


async def _time_of(reader: Any, tp: TopicPartition, offset: int, end: int) -> int | None:
    if offset >= end:
        return None
    reader.assign([tp])
    reader.seek(tp, offset)
    # What follows the last record may be the marks of transactions: then there is no record to wait for.
    while await reader.position(tp) < end:
        for records in (await reader.getmany(timeout_ms=POLL_MS, max_records=1)).values():
            return int(records[0].timestamp)
    return None


async def _starts(reader: Any, batches: list[TopicPartition], since: int | None) -> dict[TopicPartition, int]:
    if since is None:
        return {}
    found = await reader.offsets_for_times(dict.fromkeys(batches, max(0, since - SKEW_MS)))
    return {tp: at.offset for tp, at in found.items() if at is not None}


async def _records(reader: Any, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> AsyncIterator[Any]:
    left = {tp for tp, offset in starts.items() if offset < ends[tp]}
    reader.assign(list(left))
    for tp in left:
        reader.seek(tp, starts[tp])
    while left:
        for tp, records in (await reader.getmany(*left, timeout_ms=POLL_MS)).items():
            for record in records:
                if record.offset < ends[tp]:
                    yield record
        left = {tp for tp in left if await reader.position(tp) < ends[tp]}


async def _aside(
    reader: Any, overflow: list[TopicPartition], committed: Mapping[str, int], since: int | None
) -> list[tuple[Tier, int]]:
    begins: dict[TopicPartition, int] = await reader.beginning_offsets(overflow)
    left: dict[TopicPartition, int] = await reader.end_offsets(overflow)
    aside: list[tuple[Tier, int]] = []
    while left := {tp: end for tp, end in left.items() if end > begins[tp]}:
        starts = {tp: max(begins[tp], end - STEP) for tp, end in left.items()}
        further: set[int] = set()
        async for record in _records(reader, starts, left):
            tier, offset = _source(record)
            if tier is None and since is not None and record.timestamp >= since - SKEW_MS:
                further.add(record.partition)
            elif tier is not None and offset >= committed[tier]:
                further.add(record.partition)
                aside.append((tier, offset))
        left = {tp: start for tp, start in starts.items() if tp.partition in further}
    return aside


def _source(record: Any) -> tuple[Tier | None, int]:
    """Tier and offset of the record that was set aside; no tier: of one that was moved on in overflow."""
    tier, _, offset = record.headers[0][1].decode().partition("@")
    return (tier, int(offset)) if tier else (None, 0)


def _named(record: Any) -> Iterator[tuple[Tier, int, Run]]:
    try:
        names = _names(record.value)
    except Invalid:
        log.warning("batch at %s[%d]@%d cannot be read", record.topic, record.partition, record.offset)
        return
    for (tier, offset), run in zip(names.sources, names.jobs, strict=True):
        yield tier, offset, run
