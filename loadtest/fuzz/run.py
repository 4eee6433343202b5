"""Spoilt events against a whole running system."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.events import TIERS, Dead, Result
from contracts.publish import Publisher
from contracts.topics import Topics
from loadtest.bench.jobs import job_records
from loadtest.bench.kafka_io import flood
from loadtest.fuzz.judge import Sent, Verdict, judge
from loadtest.fuzz.mutate import Fuzz

LOOK_S = 0.5
PARTITIONS_TRIED = 64
"""Good jobs sent behind the spoilt events, so that every partition of `jobs` has some."""


async def fuzz(up: Mapping[str, Any], *, seed: int, count: int, patience_s: float) -> Verdict:
    """Send, wait until everything sent is committed and settled, judge. Raises TimeoutError where a partition is stuck."""
    servers, topics = up["bootstrap_servers"], Topics()
    async with Publisher(servers) as publisher:
        await flood(publisher, list(Fuzz(seed, topics.jobs).records(count)))
        await publisher.publish(job_records(topics.jobs, f"after-{seed}", 0, PARTITIONS_TRIED))
    async with asyncio.timeout(patience_s):
        for topic in (topics.jobs, *(topics.queue("default", tier) for tier in TIERS)):
            await _committed(servers, topic, topics.group("streams"), topics)
        return await _settled(servers, topics)


async def _settled(servers: str, topics: Topics) -> Verdict:
    """Judge again and again until all is well, or nothing changes any more."""
    seen: tuple[int, int] = (-1, -1)
    quiet_since = time.monotonic()
    while True:
        verdict, size = await _judge(servers, topics)
        if not verdict.problems or (size == seen and time.monotonic() - quiet_since > 15):
            return verdict
        if size != seen:
            seen, quiet_since = size, time.monotonic()
        await asyncio.sleep(LOOK_S)


async def _judge(servers: str, topics: Topics) -> tuple[Verdict, tuple[int, int]]:
    sent = [Sent(partition=one.partition, offset=one.offset, value=one.value) for one in await read(servers, topics, topics.jobs)]
    dead = [msgspec.json.decode(one.value, type=Dead) for one in await read(servers, topics, topics.dead)]
    results = [msgspec.json.decode(one.value, type=Result) for one in await read(servers, topics, topics.results)]
    return judge(sent, [one for one in dead if one.topic == topics.jobs], results), (len(dead), len(results))


async def read(servers: str, topics: Topics, topic: str) -> list[Any]:
    """All records of a topic, as a reader of finished transactions sees them."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed", enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(_partitions(topics, topic))]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        found: list[Any] = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            found += [one for records in (await consumer.getmany(timeout_ms=200)).values() for one in records]
        return found
    finally:
        await consumer.stop()


def _partitions(topics: Topics, topic: str) -> int:
    return next(spec.partitions for spec in topics.specs() if spec.name == topic)


async def _committed(servers: str, topic: str, group: str, topics: Topics) -> None:
    """Wait until a group has committed every record of a topic."""
    places = [TopicPartition(topic, number) for number in range(_partitions(topics, topic))]
    consumer, admin = AIOKafkaConsumer(bootstrap_servers=servers), AIOKafkaAdminClient(bootstrap_servers=servers)
    await consumer.start()
    await admin.start()
    try:
        while True:
            ends = await consumer.end_offsets(places)
            at = await admin.list_consumer_group_offsets(group)
            if all(not ends[one] or (one in at and at[one].offset >= ends[one]) for one in places):
                return
            await asyncio.sleep(LOOK_S)
    finally:
        await admin.close()
        await consumer.stop()
