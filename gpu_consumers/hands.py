"""The runs a worker has in hand, between Kafka, the engine process and the delivery of outcomes."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Sequence

from contracts.catalog import Catalog, ModelSpec
from contracts.errors import ErrorCode
from contracts.events import Control
from contracts.metrics import Metrics
from contracts.records import Publishing, Record
from gpu_consumers.cancels import Cancels
from gpu_consumers.deliver import Delivery
from gpu_consumers.engine import EngineProcess
from gpu_consumers.flight import Flight, Source, open_batch, order_for
from gpu_consumers.frames import Started, Stepped, Through, Told, Unmade
from gpu_consumers.images import Images
from gpu_consumers.ran import Runs
from gpu_consumers.squeeze import Squeezes
from gpu_consumers.status import Progress

OUT_OF_MEMORY: ErrorCode = "out_of_memory"
log = logging.getLogger(__name__)


class Hands:
    """Implements gpu_consumers.engine.Listener."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        delivery: Delivery,
        progress: Progress,
        images: Images,
        metrics: Metrics,
        changed: Callable[[], None],
        device: str = "",
    ) -> None:
        self._catalog = catalog
        self._delivery = delivery
        self._progress = progress
        self._images = images
        self._metrics = metrics
        self._changed = changed
        self._flights: dict[int, Flight] = {}
        self._cancels = Cancels()
        self._numbers = itertools.count(1)
        self._restarts = self._recycled = 0
        self._fetching: set[asyncio.Task[None]] = set()
        self._news: asyncio.Queue[list[Record]] = asyncio.Queue()
        self.empty = asyncio.Event()
        """Set while nothing is in hand."""
        self.empty.set()
        self.squeezes = Squeezes()
        self.ran = Runs(device)
        self.engine: EngineProcess
        """Set once by whoever makes both: they know each other."""

    @property
    def runs(self) -> list[Flight]:
        """In the order they were taken."""
        return list(self._flights.values())

    def accept(self, source: Source, value: bytes | None) -> Flight:
        """Take a batch in hand."""
        flight = open_batch(next(self._numbers), source, value, time.time())
        self._flights[flight.run] = flight
        flight.pending -= self._delivery.claim(flight)
        self.empty.clear()
        if flight.unreadable:
            log.error(
                "%d jobs of a batch could not be read", len(flight.unreadable),
                extra={"partition": source.partition, "offset": source.offset},
            )  # fmt: skip
        return flight

    async def begin(self, flight: Flight) -> None:
        """Hand a batch to the engine process."""
        model = self._catalog.by_ref(flight.batch.model)
        if not flight.pending or model is None:
            self._fail_all(flight, "unknown_model", "this worker does not know the model")
            return
        if not self._images.wanted(flight):
            self._order(flight, model, {}, [])
            return
        # Not waited for: a slow server of somebody's must hold up neither the next batch nor the group.
        task = asyncio.create_task(self._begin_with_pictures(flight, model), name=f"pictures of run {flight.run}")
        self._fetching.add(task)
        task.add_done_callback(self._fetching.discard)

    async def _begin_with_pictures(self, flight: Flight, model: ModelSpec) -> None:
        images, bad = await self._images.of(flight)
        if not flight.lost:
            self._order(flight, model, images, bad)

    def _order(self, flight: Flight, model: ModelSpec, images: dict[int, bytes], bad: list[Unmade]) -> None:
        self.engine.run(order_for(flight, model, images.get))
        cancelled = self._cancelled(flight) if self._cancels else []
        if bad:
            self.told(Told(run=flight.run, made=[], unmade=bad, over=False))
        without = [place for place in range(len(flight.entries)) if place not in flight.pending]
        if cancelled or without:
            self.engine.drop(flight.run, cancelled + without)

    def _cancelled(self, flight: Flight) -> list[int]:
        named = enumerate((entry.queued.tenant, entry.queued.id) for entry in flight.entries)
        return [place for place, name in named if name in self._cancels]

    def cancel(self, order: Control) -> None:
        """A job was cancelled: it is left out at the next step, or when its batch comes."""
        self._cancels.add(order.tenant, order.id)
        for flight in self._flights.values():
            places = [
                p for p in flight.pending
                if flight.entries[p].queued.id == order.id and flight.entries[p].queued.tenant == order.tenant
            ]  # fmt: skip
            if places:
                self.engine.drop(flight.run, places)

    def give_up(self, flight: Flight) -> None:
        """The batch is another worker's: it stops at the next step and nothing more is told of it."""
        flight.lost = True
        self.engine.abort(flight.run)
        self.forget(flight)

    def forget(self, flight: Flight) -> None:
        """The run is over, or given up."""
        self._flights.pop(flight.run, None)
        if not self._flights:
            self.empty.set()
        self._progress.forget(flight.run)

    # What the engine process tells.

    def started(self, report: Started) -> None:
        """Jobs are about to take their first step."""
        flight = self._flights.get(report.run)
        if flight is not None:
            flight.started_at = report.at
            self._news.put_nowait(self._progress.started(flight, report))
            self._changed()

    def stepped(self, report: Stepped) -> None:
        """Jobs took steps."""
        flight = self._flights.get(report.run)
        records = self._progress.stepped(flight, report) if flight is not None else []
        if records:
            self._news.put_nowait(records)

    def through(self, report: Through) -> None:
        """The engine is done with a run."""
        flight = self._flights.get(report.run)
        if flight is not None and report.timed is not None:
            self.ran.note(flight, report.timed)

    def told(self, report: Told) -> None:
        """Jobs are over."""
        flight = self._flights.get(report.run)
        if flight is None:
            return
        # A job is told of once, whatever crossed on the pipe.
        made = [one for one in report.made if one.place in flight.pending]
        unmade = [one for one in report.unmade if one.place in flight.pending]
        flight.pending.difference_update(one.place for one in made)
        flight.pending.difference_update(one.place for one in unmade)
        self._squeeze(flight, report.squeezed)
        self._count(flight, made_run_s=[(one.run_s, one.gpu_s) for one in made], unmade=unmade)
        if made or unmade or report.over:
            self._delivery.put(flight, Told(run=report.run, made=made, unmade=unmade, over=report.over))

    def lost(self, run: int, code: ErrorCode) -> None:
        """The engine process ended in the middle of a run: one attempt of its jobs is gone."""
        flight = self._flights.get(run)
        if flight is not None:
            if code == OUT_OF_MEMORY:
                self._squeeze(flight, sorted(flight.pending))
            self._fail_all(flight, code, "the engine process ended during the run", lost=True)

    def changed(self) -> None:
        """The engine process is up, or down."""
        self._metrics.engine_restarts.inc(self.engine.restarts - self._restarts)
        self._metrics.engine_recycled.inc(self.engine.recycled - self._recycled)
        self._restarts, self._recycled = self.engine.restarts, self.engine.recycled
        self._changed()

    async def tell_news(self, publisher: Publishing) -> None:
        """Publish progress until cancelled."""
        while True:
            await publisher.publish(await self._news.get())
            self._news.task_done()

    async def news_told(self) -> None:
        """Wait until the progress noted so far is out: a job's `running` is told before its end."""
        await self._news.join()

    def _squeeze(self, flight: Flight, places: Sequence[int]) -> None:
        if places:
            self.squeezes.note(flight.batch.key, sum(flight.entries[place].weight for place in places))
            self._changed()

    def _fail_all(self, flight: Flight, code: ErrorCode, message: str, *, lost: bool = False) -> None:
        unmade = [
            Unmade(place=p, state="failed", code=code, message=message, retryable=True, lost=lost) for p in sorted(flight.pending)
        ]
        self.told(Told(run=flight.run, made=[], unmade=unmade, over=True))

    def _count(self, flight: Flight, made_run_s: list[tuple[float, float]], unmade: list[Unmade]) -> None:
        engine, metrics = flight.batch.engine or "none", self._metrics
        if made_run_s:
            metrics.runs.labels(engine, "succeeded").inc(len(made_run_s))
            metrics.gpu_time.labels(engine).inc(sum(gpu_s for _, gpu_s in made_run_s))
            observe = metrics.run_time.labels(engine).observe
            for run_s, _ in made_run_s:
                observe(run_s)
        for one in unmade:
            metrics.runs.labels(engine, one.state).inc()
