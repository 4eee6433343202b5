"""Composition root of the Faust app: `python -m streams.app`. Standbys join the same consumer group."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import faust

from contracts.brokers import Brokers
from contracts.catalog import Catalog
from contracts.metrics import Metrics
from contracts.publish import Publisher
from contracts.topics import Topics
from contracts.waiting import reached
from infra.catalog import open_catalog
from infra.jobstore import open_jobs
from infra.limiter import open_limiter
from infra.observe import observe
from infra.settings import Settings, read_settings
from infra.tenants import TenantsFile
from streams.agents import admit, batch, control
from streams.chunks import install_chunks, quick_settings
from streams.foretell import Foretelling
from streams.gate import Gate
from streams.learn import Learning
from streams.parking.release import Release
from streams.parking.releasing import Releasing
from streams.policy.cost import Costs
from streams.policy.cost_model import CostModel
from streams.policy.outlook import Outlook
from streams.policy.validate import Models
from streams.ports import JobStore
from streams.process import Crashed, main


def new_app(settings: Settings) -> Any:
    """A Faust app that reads all its topics in chunks."""
    topics = settings.topics
    queues = [topic for pool in topics.pools for topic in topics.queues(pool).values()]
    app = faust.App(
        topics.group("streams"),
        broker=f"kafka://{settings.kafka.bootstrap_servers}",
        broker_credentials=_credentials(settings.kafka.brokers),
        **quick_settings(session_timeout=settings.kafka.session_timeout_s),
    )
    # What queues is held until a worker has room, however long that takes.
    install_chunks(app, [topics.jobs, topics.control, topics.workers, *queues], stuck_after=dict.fromkeys(queues))
    return app


def _credentials(brokers: Brokers) -> Any:
    """What Faust is to show to Kafka."""
    context = brokers.context()
    if brokers.user:
        shown = {"username": brokers.user, "password": brokers.password, "mechanism": brokers.mechanism}
        return faust.SASLCredentials(**shown, ssl_context=context)
    return faust.SSLCredentials(context) if context else None


def attach_admission(  # noqa: PLR0913 - a composition root
    app: Any,
    settings: Settings,
    catalog: Catalog,
    costs: Costs,
    gate: Gate,
    store: JobStore,
    publisher: Publisher,
    metrics: Metrics,
    *,
    outlook: Outlook,
) -> None:
    """From `jobs` to the queues (admit), from `control` to `outcomes` (control)."""
    topics, models = settings.topics, Models(catalog)
    parts: dict[str, Any] = {"store": store, "publisher": publisher, "topics": topics, "clock": time.time}
    admitting = admit.Admit(models=models, costs=costs, gate=gate, metrics=metrics, outlook=outlook, **parts)
    ordering = control.ControlJobs(**parts)
    admit.attach(app, admit=admitting, topics=topics, metrics=metrics)
    control.attach(app, control=ordering, topics=topics, metrics=metrics)


def new_releasing(settings: Settings, gate: Gate, store: JobStore, metrics: Metrics) -> Releasing:
    """From `parked` to the queues (release)."""
    kafka, topics = settings.kafka, settings.topics
    release = Release(gate=gate, store=store, topics=topics, clock=time.time, metrics=metrics)
    return Releasing(release, gate.limiter, kafka.brokers, topics, kafka.session_timeout_s, metrics)


def attach_batching(
    app: Any,
    settings: Settings,
    catalog: Catalog,
    learning: Learning,
    tenants: TenantsFile,
    store: JobStore,
    publisher: Publisher,
    metrics: Metrics,
) -> batch.Batching:
    """From the queues to `batches` (batch), from `workers` to `costs` (learn)."""
    options = batch.BatchOptions(
        brokers=settings.kafka.brokers,
        topics=settings.topics,
        window_jobs=settings.streams.window_jobs,
        batch_wait_s=settings.streams.batch_wait_s,
        session_timeout_s=settings.kafka.session_timeout_s,
        weight=lambda tenant: tenants.of(tenant).weight,
    )
    batching = batch.new_batching(options, catalog, learning, store, publisher, metrics)
    batch.attach(app, batching=batching, topics=settings.topics)
    return batching


async def serve(settings: Settings, leave: asyncio.Event) -> None:
    """Admit and schedule until `leave` is set. Raises `Crashed`."""
    metrics = Metrics()
    catalog = open_catalog(settings.models)
    tenants = TenantsFile(settings.tenants.file)
    store = open_jobs(settings.store.jobs, settings.cassandra, settings.cache, metrics)
    publisher = Publisher(settings.kafka.brokers, client_id="darkroom-streams")
    app = new_app(settings)
    reach, topics, costs = settings.kafka.brokers, settings.topics, CostModel(catalog)
    learning = Learning(costs, brokers=reach, topics=topics, publisher=publisher, metrics=metrics)
    foretelling = Foretelling(brokers=reach, topics=topics, publisher=publisher, clock=time.time)
    limiter = open_limiter(settings.cache, share=lambda: _share(app, topics))
    gate = Gate(limiter, tenants, metrics)
    attach_admission(app, settings, catalog, costs, gate, store, publisher, metrics, outlook=foretelling.outlook)
    releasing = new_releasing(settings, gate, store, metrics)
    batching = attach_batching(app, settings, catalog, learning, tenants, store, publisher, metrics)
    async with observe("streams", settings.observe, ready=lambda: _ready(app)):
        if not await reached(reach, leave):
            return await store.close()
        following = asyncio.create_task(tenants.follow(), name="tenants")
        try:
            await learning.start()
            await batching.start()
            await foretelling.start(batching.dispatchers)
            await app.start()
            await releasing.start()
            await _until(leave, app)
        finally:
            following.cancel()
            await foretelling.stop()
            await releasing.stop()
            await batching.stop()
            await app.stop()
            await learning.stop()
            await publisher.stop()
            await limiter.close()
            await store.close()


async def _until(leave: asyncio.Event, app: Any) -> None:
    """Faust stops itself when it crashes, and would leave a process behind that does nothing."""
    waits = [asyncio.ensure_future(leave.wait()), asyncio.ensure_future(app.wait_until_stopped())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in waits:
        one.cancel()
    if not leave.is_set():
        raise Crashed("faust") from app.crash_reason


def _share(app: Any, topics: Topics) -> float:
    """The part of all jobs that this process admits, by the partitions that are its own. Before it has any, that of one."""
    ours = sum(tp.topic == topics.jobs for tp in app.assignor.assigned_actives())
    return max(1, ours) / topics.partitions


def _ready(app: Any) -> bool:
    """Whether the group has given this process anything to do."""
    return app.started and not app.rebalancing and bool(app.assignor.assigned_actives())


if __name__ == "__main__":
    main(serve, read_settings)
