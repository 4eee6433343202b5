"""What waits where: ends of topics less what their readers have finished."""

from __future__ import annotations

from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.codec import Decoder
from contracts.work import WorkerReport
from darkroom.place import Place
from darkroom.system.tail import tail
from darkroom.wire import consumer, options, reach

FRESH_S = 5.0
"""A worker that has not reported for so long is gone (seconds); it reports each second."""

TAIL = 500
"""Reports read from the end of `workers`: some seconds' worth of all of them."""


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
    last = await tail(place, place.topics.workers, Decoder(WorkerReport), TAIL)
    return [report for report in last.values() if not report.leaving and now - report.at < FRESH_S]
