"""What waits where: ends of topics less what their readers have finished."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.codec import Decoder
from contracts.work import QueuedHead, WorkerReport
from darkroom.place import Place
from darkroom.wire import consumer, options, reach

FRESH_S = 5.0
"""A worker that has not reported for so long is gone (seconds); it reports each second."""

TAIL = 500
"""Reports read from the end of `workers`: some seconds' worth of all of them."""


SAMPLE = 200
"""Waiting jobs whose prices are looked at: a queue may hold a million."""

_head_of = Decoder(QueuedHead)


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A topic with the number of its records that are not finished."""

    topic: str
    records: int


async def waiting(place: Place) -> list[Waiting]:
    """Events not admitted, jobs parked, queued by tier, in overflow, batches not finished, outcomes not settled."""
    topics = place.topics
    readers = {topics.jobs: topics.group("streams")}
    for pool in topics.pools:
        readers[topics.parked(pool)] = topics.group("release")
        readers |= dict.fromkeys(topics.queues(pool).values(), topics.group("streams"))
        readers[topics.overflow(pool)] = topics.group("overflow")
        readers[topics.batches(pool)] = topics.group(f"gpu.{pool}")
    readers[topics.outcomes] = topics.group("settle")
    finished = await _finished(place, set(readers.values()))
    reader = consumer(place, *readers)
    await reach(reader.start(), place)
    try:
        ends = await reach(reader.end_offsets(reader.assignment()), place)
        begins = await reach(reader.beginning_offsets(reader.assignment()), place)
    finally:
        await reader.stop()
    lag = dict.fromkeys(readers, 0)
    for one, end in ends.items():
        lag[one.topic] += end - finished[readers[one.topic]].get(one, begins[one])
    return [Waiting(topic=name, records=count) for name, count in lag.items()]


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """Jobs of a pool and tier that wait, those that the scheduler holds included."""

    jobs: int
    gpu_s: float
    """Predicted GPU-seconds, from the last `SAMPLE` of them."""


async def backlog(place: Place, pool: str) -> dict[str, Backlog]:
    """What waits for workers of a pool, by tier."""
    queues = {tier: TopicPartition(name, 0) for tier, name in place.topics.queues(pool).items()}
    group = place.topics.group("streams")
    finished = (await _finished(place, {group}))[group]
    reader = consumer(place, *(queue.topic for queue in queues.values()))
    await reach(reader.start(), place)
    try:
        begins = await reach(reader.beginning_offsets(queues.values()), place)
        ends = await reach(reader.end_offsets(queues.values()), place)
        starts = {queue: max(finished.get(queue, 0), begins[queue]) for queue in queues.values()}
        return {tier: await _backlog(reader, place, queue, starts[queue], ends[queue]) for tier, queue in queues.items()}
    finally:
        await reader.stop()


async def _backlog(reader: AIOKafkaConsumer, place: Place, queue: TopicPartition, start: int, end: int) -> Backlog:
    if start >= end:
        return Backlog(jobs=0, gpu_s=0.0)
    reader.seek(queue, max(start, end - SAMPLE))
    prices: list[float] = []
    while await reader.position(queue) < end:
        records = (await reach(reader.getmany(queue, timeout_ms=500), place)).get(queue, [])
        prices += [_head_of(record.value).price_s for record in records]
    return Backlog(jobs=end - start, gpu_s=fmean(prices or [0.0]) * (end - start))


async def _finished(place: Place, groups: set[str]) -> dict[str, dict[TopicPartition, int]]:
    admin = AIOKafkaAdminClient(**options(place))
    try:
        await reach(admin.start(), place)
        found = {group: await reach(admin.list_consumer_group_offsets(group), place) for group in groups}
    finally:
        await admin.close()
    return {group: {one: meta.offset for one, meta in offsets.items() if meta.offset >= 0} for group, offsets in found.items()}


async def workers(place: Place, now: float) -> list[WorkerReport]:
    """The last word of each worker that is alive."""
    reader = consumer(place, place.topics.workers)
    await reach(reader.start(), place)
    try:
        reports = await _tail(reader, place)
    finally:
        await reader.stop()
    last = {report.worker: report for report in reports}
    return [report for report in last.values() if not report.leaving and now - report.at < FRESH_S]


async def _tail(reader: AIOKafkaConsumer, place: Place) -> list[WorkerReport]:
    decode = Decoder(WorkerReport)
    (one,) = reader.assignment()
    end = (await reach(reader.end_offsets([one]), place))[one]
    begin = (await reach(reader.beginning_offsets([one]), place))[one]
    reader.seek(one, max(begin, end - TAIL))
    found = []
    while await reader.position(one) < end:
        records = (await reach(reader.getmany(timeout_ms=500), place)).get(one, [])
        found += [decode(record.value) for record in records]
    return found
