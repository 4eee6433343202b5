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
from streams.agents import admit, control
from streams.chunks import install_chunks, quick_settings
from streams.policy.validate import Models
from streams.ports import JobStore
from streams.process import main
from streams.publish import Publisher

log = logging.getLogger(__name__)

RETRY_S = 1.0


def new_app(settings: Settings, catalog: Catalog, store: JobStore, publisher: Publisher, metrics: Metrics) -> Any:
    """The pipeline: admit, control."""
    topics = settings.topics
    app = faust.App(
        topics.group("streams"),
        broker=f"kafka://{settings.kafka.bootstrap_servers}",
        **quick_settings(session_timeout=settings.kafka.session_timeout_s),
    )
    install_chunks(app, [topics.jobs, topics.control])
    common = {"store": store, "publisher": publisher, "topics": topics, "clock": time.time}
    admitting = admit.Admit(models=Models(catalog), metrics=metrics, **common)  # type: ignore[arg-type]
    admit.attach(app, admit=admitting, topics=topics, metrics=metrics)
    control.attach(app, control=control.ControlJobs(**common), topics=topics, metrics=metrics)  # type: ignore[arg-type]
    return app


async def serve(settings: Settings, leave: asyncio.Event) -> None:
    """Admit and schedule until `leave` is set."""
    metrics = Metrics()
    catalog = load_catalog(Path(settings.models.catalog))
    store = open_jobs(settings.store.jobs)
    publisher = Publisher(settings.kafka.bootstrap_servers, client_id="darkroom-streams")
    app = new_app(settings, catalog, store, publisher, metrics)
    async with observe("streams", settings.observe, ready=lambda: bool(app.consumer.assignment())):
        try:
            await app.start()
            await leave.wait()
        finally:
            await app.stop()
            await publisher.stop()
            await store.close()


if __name__ == "__main__":
    main(serve)
