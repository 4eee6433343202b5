"""Kafka, as a client of Darkroom uses it: one producer, and consumers without a group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.partitioner import murmur2

from contracts.brokers import TurnedAway, client_options, knock
from darkroom.errors import NotReachable
from darkroom.place import Place

T = TypeVar("T")

# Whoever configures logging sees aiokafka's complaints; for everybody else our own errors say enough.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())

ANSWER_S = 10.0
"""How long Kafka may take to answer one request (seconds)."""

SEND_S = 30.0
"""How long to go on trying to send (seconds): a broker's restart takes up to 27 on a busy laptop."""


def producer(place: Place) -> AIOKafkaProducer:
    """A producer that loses and doubles nothing."""
    return AIOKafkaProducer(
        **options(place),
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        max_request_size=8 << 20,
        request_timeout_ms=int(ANSWER_S * 1000),
    )


def consumer(place: Place, *topics: str) -> AIOKafkaConsumer:
    """A consumer that belongs to no group, has all partitions of these topics and sees only what was settled."""
    return AIOKafkaConsumer(
        *topics,
        **options(place),
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=250,
        request_timeout_ms=int(ANSWER_S * 1000),
    )


async def reach(step: Awaitable[T], place: Place) -> T:
    """The answer of one step with Kafka, its failure in plain words. Raises `NotReachable`."""
    try:
        async with asyncio.timeout(SEND_S):
            return await step
    except UnknownTopicOrPartitionError as error:
        raise NotReachable(f"Kafka at {place.bootstrap_servers} lacks the topics: no Darkroom runs on it.") from error
    except (KafkaError, OSError, TimeoutError) as error:
        raise NotReachable(await _why(place)) from error


async def _why(place: Place) -> str:
    """Kafka's clients take a refusal for an outage."""
    try:
        await knock(place.brokers)
    except TurnedAway as error:
        return _refused(place, error)
    return f"Kafka at {place.bootstrap_servers} does not answer. Does `darkroom up` run?"


def options(place: Place) -> dict[str, Any]:
    """What a client of its Kafka is given. Raises `NotReachable`."""
    try:
        return client_options(place.brokers)
    except TurnedAway as error:
        raise NotReachable(_refused(place, error)) from None


def _refused(place: Place, error: TurnedAway) -> str:
    return f"Kafka at {place.bootstrap_servers} does not let us in. {error}"


def partition_of(id: str, count: int) -> int:
    """The partition where records of this job are, of a topic with so many: Kafka's default placement."""
    return int((murmur2(id.encode()) & 0x7FFF_FFFF) % count)
