"""batch: `queue.<pool>.<tier>`, `workers`, `control` → `batches.<pool>`; jobs that ran out of time → `outcomes`.

All topics read here have one partition and are assigned together: whoever has a pool's queues is its one scheduler.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from contracts.brokers import Reach
from contracts.catalog import Catalog
from contracts.codec import Decoder, Invalid
from contracts.events import TIERS, Control, Tier
from contracts.metrics import Metrics
from contracts.publish import Publisher
from contracts.topics import Topics
from contracts.work import WorkerReport
from streams.chunks import RawSchema
from streams.chunks.watch import exit_process
from streams.dispatch import Dispatcher, DispatchOptions
from streams.learn import Learning
from streams.policy.batching import Scheduler
from streams.policy.fill import CatalogCaps
from streams.policy.overflow import Overflow
from streams.policy.shares import Weight, equal
from streams.ports import JobStore
from streams.pull import Pull
from streams.scheduler import PoolScheduler
from streams.wire import KafkaWire

T = TypeVar("T")
log = logging.getLogger(__name__)

SAFE_SHARE = 0.6
"""Of the session timeout: the broker counts it from the last heartbeat, which is older than the moment we stood still."""

report_of = Decoder(WorkerReport)
order_of = Decoder(Control)


class BatchOptions(Struct, frozen=True, kw_only=True):
    """How to schedule."""

    brokers: Reach
    topics: Topics
    window_jobs: int
    """Jobs of one tier held in memory."""
    batch_wait_s: float
    """How long an idle worker waits for company for the only job there is."""
    session_timeout_s: float = 6.0
    """How long a silent process keeps its queues."""
    weight: Weight = equal
    """Of a tenant."""
    clock: Callable[[], float] = time.time
    give_up: Callable[[str], None] = exit_process
    """Called with the reason when a scheduler is stuck; ends the process, so that a standby takes over."""


class Batching:
    """The schedulers of all pools. Start it before the app, and stop it before the app, which then commits its work."""

    def __init__(self, pools: Mapping[str, PoolScheduler], topics: Topics, learning: Learning) -> None:
        self.pools = pools
        self._learning = learning
        self._queues = {pool: set(topics.queues(pool).values()) for pool in pools}

    @property
    def dispatchers(self) -> dict[str, Dispatcher]:
        """By pool."""
        return {name: pool.dispatcher for name, pool in self.pools.items()}

    async def start(self) -> None:
        """Begin to watch and to decide."""
        for pool in self.pools.values():
            pool.start()

    async def stop(self) -> None:
        """Returns when everything that was sent has arrived."""
        for pool in self.pools.values():
            await pool.stop()

    def on_revoked(self, *_: Any, **__: Any) -> None:
        """Let go of all pools: an eager rebalance revokes everything before it assigns anything."""
        for pool in self.pools.values():
            pool.lose()

    def on_assigned(self, _: Any, assigned: Iterable[Any], **__: Any) -> None:
        """Take over the pools whose queues are among these partitions."""
        topics = {tp.topic for tp in assigned}
        for name, pool in self.pools.items():
            if self._queues[name] <= topics:
                pool.win()

    def reports(self, records: Iterable[Any]) -> None:
        """Reports of workers came."""
        for report in _readable(report_of, records):
            self._learning.report(report)
            if report.pool in self.pools:
                self.pools[report.pool].dispatcher.report(report)

    def orders(self, records: Iterable[Any]) -> None:
        """Cancels came. Here they only save work; the result is told by the control agent."""
        for order in _readable(order_of, records):
            for pool in self.pools.values():
                pool.dispatcher.cancel(order.tenant, order.id)


def new_batching(
    options: BatchOptions, catalog: Catalog, learning: Learning, store: JobStore, publisher: Publisher, metrics: Metrics
) -> Batching:
    """The schedulers of all pools that the topics name. `publisher` is for outcomes; who made it starts and stops it."""

    def scheduler(pool: str) -> PoolScheduler:
        topics, wire = options.topics, KafkaWire(options.brokers, publisher)
        deciding = Scheduler(
            CatalogCaps(catalog),
            batch_wait_s=options.batch_wait_s,
            costs=learning.costs,
            weight=options.weight,
            overflow=Overflow(options.window_jobs, topics.overflow_partitions),
        )
        dispatcher = Dispatcher(
            pool=pool,
            topics=topics,
            scheduler=deciding,
            wire=wire,
            metrics=metrics,
            options=DispatchOptions(away_s=options.session_timeout_s * SAFE_SHARE),
            clock=options.clock,
        )
        pull = Pull(
            pool=pool,
            topics=topics,
            brokers=options.brokers,
            store=store,
            scheduler=deciding,
            left=dispatcher.left,
            clock=options.clock,
        )
        return PoolScheduler(dispatcher, pull, wire, topics, options.give_up)

    return Batching({pool: scheduler(pool) for pool in options.topics.pools}, options.topics, learning)


def attach(app: Any, *, batching: Batching, topics: Topics) -> None:
    """Let the app's agents read the queues, the workers' reports and the cancels, and follow its rebalances."""
    app.on_partitions_revoked.connect(batching.on_revoked, weak=False)
    app.on_partitions_assigned.connect(batching.on_assigned, weak=False)
    _attach_news(app, topics.workers, "batch-workers", batching.reports)
    _attach_news(app, topics.control, "batch-control", batching.orders)
    for name, pool in batching.pools.items():
        for tier in TIERS:
            _attach_queue(app, topics.queue(name, tier), pool, tier)


def _attach_news(app: Any, topic: str, name: str, take: Callable[[Iterable[Any]], None]) -> None:
    @app.agent(app.topic(topic, schema=RawSchema(), partitions=1), name=name)
    async def run(stream: Any) -> None:
        async for event in stream.noack().events():
            take(event.value.records)
            event.ack()


def _attach_queue(app: Any, topic: str, pool: PoolScheduler, tier: Tier) -> None:
    @app.agent(app.topic(topic, schema=RawSchema(), partitions=1), name=f"batch-{topic}")
    async def run(stream: Any) -> None:
        async for event in stream.noack().events():
            await pool.take(tier, event, lambda: app.consumer_generation_id)


def _readable(decode: Callable[[bytes | None], T], records: Iterable[Any]) -> Iterator[T]:
    for record in records:
        try:
            yield decode(record.value)
        except Invalid as error:
            log.warning("record at %s[%d]@%d skipped: %s", record.topic, record.partition, record.offset, error.field)
