"""All lanes of a process: one for each partition that its group gives it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition

from contracts.brokers import Reach, client_options
from contracts.publish import new_producer
from streams.transactions.lane import Lane

FETCH_WAIT_MS = 25
"""How long the broker may hold an empty answer. A partition that is not part of the fetch under way waits it out."""

STOP_S = 5.0
"""How long the chunk under way may take when the partition or the process goes."""

TRANSACTION_S = 30.0
"""After this the broker aborts a transaction by itself, so that readers are not kept waiting by a process that hangs."""


class Lanes(ConsumerRebalanceListener):
    """One lane for each partition that the group gave us."""

    def __init__(self, new_lane: Callable[[TopicPartition], Lane]) -> None:
        self._new_lane = new_lane
        self._lanes: dict[TopicPartition, Lane] = {}

    @property
    def ready(self) -> bool:
        """Whether there is anything to settle here."""
        return bool(self._lanes)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 - all of them
        """Finish what is under way before another process may begin."""
        await self.stop()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Begin."""
        self._lanes = {one: self._new_lane(one) for one in assigned}
        for lane in self._lanes.values():
            lane.start()

    async def stop(self) -> None:
        """Stop all lanes."""
        lanes, self._lanes = self._lanes, {}
        await asyncio.gather(*(lane.stop(STOP_S) for lane in lanes.values()))


def new_consumer(brokers: Reach, group: str, session_timeout_s: float, **options: Any) -> AIOKafkaConsumer:
    """A consumer that commits nothing by itself: offsets go with the transactions."""
    usual = {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "session_timeout_ms": int(session_timeout_s * 1000),
        "heartbeat_interval_ms": int(session_timeout_s * 200),
        "rebalance_timeout_ms": int((session_timeout_s + STOP_S) * 1000),
        "fetch_max_wait_ms": FETCH_WAIT_MS,
        "metadata_max_age_ms": 10_000,
    }
    return AIOKafkaConsumer(group_id=group, **client_options(brokers), **{**usual, **options})


def transactional(brokers: Reach) -> Callable[[str], AIOKafkaProducer]:
    """Makes the producer of a lane, by its transactional id."""

    def new(id: str) -> AIOKafkaProducer:
        return new_producer(brokers, transactional_id=id, transaction_timeout_ms=int(TRANSACTION_S * 1000))

    return new
