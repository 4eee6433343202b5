"""A process with nothing but the batch stage in it, to be killed: `python -m tests.support.scheduler_program`.

Takes its settings from the environment, as every process of ours does. Says `scheduling` on stdout once it does.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import faust
import uvloop
from prometheus_client import CollectorRegistry

from contracts.catalog import load_catalog
from contracts.metrics import Metrics
from contracts.publish import Publisher
from infra.jobstore import open_jobs
from infra.settings import Settings, read_settings
from streams.agents.batch import Batching, BatchOptions, attach, new_batching
from streams.chunks import install_chunks, quick_settings
from streams.chunks.watch import exit_process
from streams.learn import Learning
from streams.policy.cost_model import CostModel


def new_app(settings: Settings, give_up: Callable[[str], None]) -> Any:
    kafka, topics = settings.kafka, settings.topics
    app = faust.App(
        topics.group("streams"),
        broker=f"kafka://{kafka.bootstrap_servers}",
        **quick_settings(session_timeout=kafka.session_timeout_s),
    )
    queues = [name for pool in topics.pools for name in topics.queues(pool).values()]
    held: dict[str, float | None] = dict.fromkeys(queues)
    install_chunks(app, [*queues, topics.workers, topics.control], stuck_after=held, on_stuck=give_up)
    return app


@asynccontextmanager
async def scheduling(settings: Settings, give_up: Callable[[str], None] = exit_process) -> AsyncIterator[Batching]:
    """The batch stage at work in this process. `give_up` is told why if it is stuck."""
    catalog = load_catalog(Path(settings.models.catalog))
    async with Publisher(settings.kafka.bootstrap_servers) as publisher:
        options = BatchOptions(
            brokers=settings.kafka.bootstrap_servers,
            topics=settings.topics,
            window_jobs=settings.streams.window_jobs,
            session_timeout_s=settings.kafka.session_timeout_s,
            batch_wait_s=settings.streams.batch_wait_s,
            give_up=give_up,
        )
        metrics, reach = Metrics(CollectorRegistry()), settings.kafka.bootstrap_servers
        learning = Learning(CostModel(catalog), brokers=reach, topics=settings.topics, publisher=publisher, metrics=metrics)
        batching = new_batching(options, catalog, learning, open_jobs(settings.store.jobs), publisher, metrics)
        app = new_app(settings, give_up)
        attach(app, batching=batching, topics=settings.topics)
        await learning.start()
        await batching.start()
        await app.start()
        try:
            yield batching
        finally:
            await batching.stop()
            await app.stop()
            await learning.stop()


async def serve(settings: Settings) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with scheduling(settings) as batching:
        told = asyncio.ensure_future(_tell(batching))
        await stopped.wait()
        told.cancel()


async def _tell(batching: Batching) -> None:
    while not any(pool.dispatcher.active for pool in batching.pools.values()):  # noqa: ASYNC110  # a test program
        await asyncio.sleep(0.01)
    sys.stdout.write("scheduling\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    uvloop.run(serve(read_settings()))
