"""Composition root of settle: `python -m streams.settle_app`. As many processes as `outcomes` has partitions may share it."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from aiokafka import AIOKafkaConsumer

from contracts.metrics import Metrics
from contracts.waiting import reached
from infra.catalog import open_catalog
from infra.jobstore import open_jobs
from infra.objects.connect import open_objects
from infra.observe import observe
from infra.settings import Settings, read_settings
from streams.late_objects import LateObjects
from streams.process import main
from streams.settle import Settle
from streams.transactions.lane import Lane
from streams.transactions.lanes import Lanes, new_consumer, transactional

LEAVE_S = 5.0
"""For what the object store is still to remove when this process is told to leave."""


def new_lanes(settings: Settings, consumer: AIOKafkaConsumer, settle: Settle, metrics: Metrics) -> Lanes:
    """The pipeline: consumer → lane (settle, transaction) for each partition."""
    kafka = settings.kafka
    group = settings.topics.group("settle")
    return Lanes(
        partial(
            Lane,
            consumer=consumer,
            group=group,
            settle=settle,
            new_producer=transactional(kafka.brokers),
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
    objects = LateObjects(open_objects(settings.store.objects, fallback=settings.store.fallback, metrics=metrics))
    settle = Settle(
        store=store,
        objects=objects,
        topics=topics,
        clock=time.time,
        metrics=metrics,
        version=darkroom_version(),
        catalog=open_catalog(settings.models),
    )
    consumer = new_consumer(settings.kafka.brokers, topics.group("settle"), settings.kafka.session_timeout_s)
    lanes = new_lanes(settings, consumer, settle, metrics)
    consumer.subscribe([topics.outcomes], listener=lanes)
    async with observe("settle", settings.observe, ready=lambda: lanes.ready):
        try:
            if await reached(settings.kafka.brokers, leave):
                await consumer.start()
                await leave.wait()
        finally:
            await lanes.stop()
            await consumer.stop()
            await objects.close(LEAVE_S)
            await store.close()


if __name__ == "__main__":
    main(serve, read_settings)
