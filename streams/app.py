"""Composition root of the Faust app: `python -m streams.app`. Standbys join the same consumer group."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import faust

from contracts.catalog import Catalog, load_catalog
from contracts.metrics import Metrics
from infra.jobstore import open_jobs
from infra.observe import observe
from infra.settings import Settings
from streams.agents import admit, batch, control
from streams.chunks import install_chunks, quick_settings
from streams.policy.validate import Models
from streams.ports import JobStore
from streams.process import main
from streams.publish import Publisher

log = logging.getLogger(__name__)

RETRY_S = 1.0


def new_app(  # what the stages are made of
    settings: Settings,
    catalog: Catalog,
    store: JobStore,
    publisher: Publisher,
    batching: batch.Batching,
    metrics: Metrics,
) -> Any:
    """The pipeline: admit, control, batch."""
    topics = settings.topics
    app = faust.App(
        topics.group("streams"),
        broker=f"kafka://{settings.kafka.bootstrap_servers}",
        **quick_settings(session_timeout=settings.kafka.session_timeout_s),
    )
    queues = [name for pool in topics.pools for name in topics.queues(pool).values()]
    # Jobs wait on their queues for as long as it takes: the scheduler has an alarm of its own.
    waiting: dict[str, float | None] = dict.fromkeys(queues)
    install_chunks(app, [topics.jobs, topics.control, topics.workers, *queues], stuck_after=waiting)
    common = {"store": store, "publisher": publisher, "topics": topics, "clock": time.time}
    admitting = admit.Admit(models=Models(catalog), metrics=metrics, **common)  # type: ignore[arg-type]
    admit.attach(app, admit=admitting, topics=topics, metrics=metrics)
    control.attach(app, control=control.ControlJobs(**common), topics=topics, metrics=metrics)  # type: ignore[arg-type]
    batch.attach(app, batching=batching, topics=topics)
    return app


def new_batching(settings: Settings, catalog: Catalog, publisher: Publisher, metrics: Metrics) -> batch.Batching:
    """The schedulers, as these settings want them."""
    options = batch.BatchOptions(
        bootstrap=settings.kafka.bootstrap_servers,
        topics=settings.topics,
        window_jobs=settings.streams.window_jobs,
        batch_wait_s=settings.streams.batch_wait_s,
    )
    return batch.new_batching(options, catalog, publisher, metrics)


async def serve(settings: Settings, leave: asyncio.Event) -> None:
    """Admit and schedule until `leave` is set."""
    metrics = Metrics()
    catalog = load_catalog(Path(settings.models.catalog))
    store = open_jobs(settings.store.jobs)
    publisher = Publisher(settings.kafka.bootstrap_servers, client_id="darkroom-streams")
    batching = new_batching(settings, catalog, publisher, metrics)
    app = new_app(settings, catalog, store, publisher, batching, metrics)
    async with observe("streams", settings.observe, ready=lambda: bool(app.consumer.assignment())):
        try:
            await batching.start()
            await app.start()
            await leave.wait()
        finally:
            await batching.stop()
            await app.stop()
            await publisher.stop()
            await store.close()


if __name__ == "__main__":
    main(serve)
