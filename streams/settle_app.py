"""Composition root of settle: `python -m streams.settle_app`. As many processes as `outcomes` has partitions may share it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from contracts.brokers import client_options
from contracts.metrics import Metrics
from contracts.publish import new_producer
from contracts.waiting import reached
from infra.catalog import open_catalog
from infra.jobstore import open_jobs
from infra.objects.connect import open_objects
from infra.observe import observe
from infra.settings import Kafka, Settings, read_settings
from streams.lane import Lane
from streams.ports import ObjectRemover
from streams.process import main
from streams.settle import Settle

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


def new_consumer(kafka: Kafka, group: str) -> AIOKafkaConsumer:
    """A consumer of `outcomes` that commits nothing by itself: offsets go with the transactions."""
    return AIOKafkaConsumer(
        **client_options(kafka.brokers),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        session_timeout_ms=int(kafka.session_timeout_s * 1000),
        heartbeat_interval_ms=int(kafka.session_timeout_s * 200),
        rebalance_timeout_ms=int((kafka.session_timeout_s + STOP_S) * 1000),
        fetch_max_wait_ms=FETCH_WAIT_MS,
        metadata_max_age_ms=10_000,
    )


def new_lanes(settings: Settings, consumer: AIOKafkaConsumer, settle: Settle, remover: ObjectRemover, metrics: Metrics) -> Lanes:
    """The pipeline: consumer → lane (settle, transaction) for each partition."""
    kafka = settings.kafka
    group = settings.topics.group("settle")

    def transactional(id: str) -> Any:
        return new_producer(kafka.brokers, transactional_id=id, transaction_timeout_ms=int(TRANSACTION_S * 1000))

    return Lanes(
        partial(
            Lane,
            consumer=consumer,
            group=group,
            settle=settle,
            new_producer=transactional,
            remover=remover,
            metrics=metrics,
            fenced_pause_s=kafka.session_timeout_s,
        )
    )


def darkroom_version() -> str:
    """The version of this installation, for dead letters."""
    try:
        return version("darkroom")
    except PackageNotFoundError:
        return "unknown"


async def serve(settings: Settings, leave: asyncio.Event) -> None:
    """Settle until `leave` is set."""
    metrics = Metrics()
    topics = settings.topics
    store = open_jobs(settings.store.jobs, settings.cassandra)
    remover = open_objects(settings.store.objects, fallback=settings.store.fallback, metrics=metrics)
    settle = Settle(
        store=store,
        topics=topics,
        clock=time.time,
        metrics=metrics,
        version=darkroom_version(),
        catalog=open_catalog(settings.models),
    )
    consumer = new_consumer(settings.kafka, topics.group("settle"))
    lanes = new_lanes(settings, consumer, settle, remover, metrics)
    consumer.subscribe([topics.outcomes], listener=lanes)
    async with observe("settle", settings.observe, ready=lambda: lanes.ready):
        try:
            if await reached(settings.kafka.brokers, leave):
                await consumer.start()
                await leave.wait()
        finally:
            await lanes.stop()
            await consumer.stop()
            await store.close()


if __name__ == "__main__":
    main(serve, read_settings)
