"""One GPU consumer, put together: `python -m gpu_consumers.app`."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import uvloop

from contracts.brokers import TurnedAway
from contracts.catalog import Catalog
from contracts.metrics import Metrics
from contracts.publish import Publisher
from contracts.records import Publishing
from contracts.waiting import reached
from contracts.work import WorkerReport
from gpu_consumers.backlog import Backlog
from gpu_consumers.cancels import follow
from gpu_consumers.consumer import Consumer
from gpu_consumers.deliver import Delivery, Teller
from gpu_consumers.disk import LocalDisk
from gpu_consumers.drain import Drain
from gpu_consumers.engine import EngineProcess
from gpu_consumers.hands import Hands
from gpu_consumers.images import Images
from gpu_consumers.leak import Bounds
from gpu_consumers.ports import ObjectsUnavailable
from gpu_consumers.report import Reporter, engines_of, runnable
from gpu_consumers.spool import Spool
from gpu_consumers.spool_folder import SpoolFolder
from gpu_consumers.status import Progress
from gpu_consumers.upload import Uploader
from infra.catalog import open_catalog
from infra.fetch import Fetch
from infra.objects.connect import open_objects
from infra.observe import observe
from infra.settings import BAD_SETTINGS_EXIT, BadSetting, Settings, read_settings

log = logging.getLogger(__name__)

CPU_ENGINES = ("onnx",)


def _new_consumer(settings: Settings, hands: Hands, backlog: Backlog) -> Consumer:
    return Consumer(
        topic=settings.topics.batches(settings.worker.pool),
        group=settings.topics.group(f"gpu.{settings.worker.pool}"),
        brokers=settings.kafka.brokers,
        session_s=settings.kafka.session_timeout_s,
        slots=settings.worker.slots,
        hands=hands,
        backlog=backlog,
    )


class Worker:
    """Every part of one GPU consumer."""

    def __init__(self, settings: Settings, catalog: Catalog, publisher: Publishing, metrics: Metrics) -> None:
        nonce = secrets.token_hex(4)
        self.name = f"{settings.worker.name}-{nonce}"
        self._settings, self._catalog, self._publisher = settings, catalog, publisher
        topics = settings.topics
        self._store = store = open_objects(settings.store.objects, fallback=settings.store.fallback, metrics=metrics)
        self._spool = SpoolFolder(Path(settings.worker.spool) / topics.batches(settings.worker.pool), nonce)
        max_bytes, max_files = settings.worker.spool_bytes, settings.worker.spool_files
        spool = Spool(self._spool.path, LocalDisk(), max_bytes=max_bytes, max_files=max_files)
        self.backlog = Backlog(spool, metrics, self._change)
        uploader, teller = Uploader(store, nonce), Teller(self.name, topics, publisher)
        self.delivery = Delivery(teller=teller, uploader=uploader, backlog=self.backlog, metrics=metrics)
        self.drain = Drain(backlog=self.backlog, uploader=uploader, teller=teller)
        self.hands = Hands(
            catalog=catalog,
            delivery=self.delivery,
            progress=Progress(topics),
            images=Images(store, Fetch(settings.fetch)),
            metrics=metrics,
            changed=self._change,
            device=settings.worker.device,
        )
        bounds = Bounds(memory_mb=settings.worker.memory_mb, growth_mb=settings.worker.growth_mb)
        self.engine = self.hands.engine = EngineProcess(self.hands, hang_s=settings.worker.hang_s, bounds=bounds)
        self.reporter = Reporter(publisher, topics, self._report)
        self.consumer = _new_consumer(settings, self.hands, self.backlog)
        self._models = runnable(catalog, settings.worker.pool)

    @property
    def ready(self) -> bool:
        """Whether it takes work."""
        there = self.engine.ready and self.consumer.settled.is_set()
        return there and not self.consumer.leaving and not self.backlog.full

    async def serve(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then finish what runs and leave."""
        await self.backlog.open()
        await self.consumer.start(self._change)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one) for one in self._parts()]
            await stop.wait()
            await self._leave()
            await ended(running)

    async def close(self) -> None:
        """Leave the group, if it came to be a member, and let go of the spool."""
        await self.consumer.stop()
        self._spool.close()

    def _parts(self) -> Iterator[Coroutine[Any, Any, None]]:
        control = self._settings.topics.control
        yield self._tidy()
        yield self.engine.serve()
        yield self.hands.tell_news(self._publisher)
        yield self.delivery.serve(self.consumer.settled, self.hands.news_told, self.consumer.finish)
        yield self.drain.serve(self.hands.news_told, self.consumer.finish, self.consumer.book.expects)
        yield self.drain.sweep(self.consumer.book.expects)
        yield self.consumer.serve()
        yield self.reporter.serve()
        yield follow(self._settings.kafka.brokers, control, self.hands.cancel)

    async def _tidy(self) -> None:
        try:
            await self._store.tidy()
        except ObjectsUnavailable as error:
            log.warning("the object store is not tidied: %s", error)

    async def _leave(self) -> None:
        self.consumer.leaving = True
        for flight in self.hands.runs:
            if not flight.started_at and flight.pending:
                self.hands.give_up(flight)
        self.drain.hurry()
        await self.reporter.send()
        try:
            async with asyncio.timeout(self._settings.worker.grace_s):
                await self.hands.empty.wait()
                await self.backlog.empty.wait()
                await self.consumer.committed()
        except TimeoutError:
            log.warning("%d batches are handed back after the grace period", len(self.hands.runs))
            log.warning("%d parcels are left in the spool for the next start", self.backlog.waiting)
            for flight in self.hands.runs:
                self.hands.give_up(flight)
        await self.backlog.sweep(self.consumer.book.expects)
        await self.reporter.send()

    def _change(self) -> None:
        self.reporter.change()
        self.consumer.wake()

    def _report(self, now: float) -> WorkerReport | None:
        if not self.consumer.settled.is_set():
            return None
        loaded, memory = [ref for ref in self.engine.loaded if ref in self._models], self.engine.memory
        return WorkerReport(
            worker=self.name,
            pool=self._settings.worker.pool,
            at=now,
            generation=self.consumer.generation,
            leaving=self.consumer.leaving,
            positions=self.consumer.book.positions(),
            engines=engines_of(self._catalog, self._models),
            models=loaded + [ref for ref in self._models if ref not in loaded],
            held=loaded,
            slots=self.consumer.slots if self.engine.ready else 0,
            squeezed=self.hands.squeezes.report(),
            device=self.hands.ran.device,
            ran=self.hands.ran.take(),
            memory_bytes=memory.whole if memory else None,
            held_bytes=memory.used if memory else 0,
        )


def with_threads(catalog: Catalog, threads: int) -> Catalog:
    """The catalogue with this process's share of the cores in the options of engines that run on them."""
    if not threads:
        return catalog
    models = [
        msgspec.structs.replace(one, options={"threads": threads, **one.options}) if one.engine in CPU_ENGINES else one
        for one in catalog.models
    ]
    return msgspec.structs.replace(catalog, models=models)


async def ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they end: libraries that use asyncio.wait_for may lose a cancellation on Python 3.11."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1.0)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions themselves in nested groups of them."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from leaves(one)
    else:
        yield error


def bad_settings(error: BaseException) -> NoReturn:
    """End with the one line that says what is wrong, and the status that tells supervisors so."""
    sys.stderr.write(f"{error}\n")
    sys.stderr.flush()
    os._exit(BAD_SETTINGS_EXIT)  # an orderly exit out of `except*` would become a group of exits


async def main(settings: Settings) -> None:
    """Run one GPU consumer until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    catalog = with_threads(open_catalog(settings.models), settings.models.threads)
    publisher = Publisher(settings.kafka.brokers, client_id="darkroom-worker")
    worker = Worker(settings, catalog, publisher, Metrics())
    async with observe("worker", settings.observe, ready=lambda: worker.ready):
        try:
            if await reached(settings.kafka.brokers, stop):
                await publisher.start()
                log.info("worker starts", extra={"worker": worker.name, "pool": settings.worker.pool})
                await worker.serve(stop)
                log.info("worker left", extra={"worker": worker.name})
        finally:
            await worker.close()
            await publisher.stop()


if __name__ == "__main__":
    try:
        uvloop.run(main(read_settings()))
    except* (TurnedAway, BadSetting) as group:
        bad_settings(next(leaves(group)))
    except* Exception as group:
        # Whoever watches over the process starts another; what happened is told without words that may quote a prompt.
        for one in leaves(group):
            log.critical("worker ends", exc_info=one)
        os._exit(1)
