"""learn: what workers measured → the cost model, and `costs`; from there → the cost models of all other processes.

The one who learns is the active scheduler: only it gets the workers' reports. `costs` is compacted and holds all that is
known of each batch key, so that whoever takes over, and admission in every process, goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from contracts.brokers import Reach, client_options
from contracts.codec import Decoder, Invalid, encode
from contracts.headers import event_headers
from contracts.metrics import Metrics
from contracts.records import Publishing, Record
from contracts.topics import Topics
from contracts.work import LearnedCost, WorkerReport
from streams.policy.cost_model import CostModel

log = logging.getLogger(__name__)

WRITE_S = 2.0
"""Between looks for something to write down: what a kill makes us forget at most of a new key."""

ALL_EVERY = 30
"""Looks after which all that changed is written."""

READ_S = 5.0
"""How long a start waits for what is known to be read. The table is good enough to begin with."""

STOP_S = 2.0
POLL_MS = 500
PAUSE_S = 1.0

learned_of = Decoder(LearnedCost)


class Learning:
    """A process's cost model, in step with `costs`."""

    def __init__(self, costs: CostModel, *, brokers: Reach, topics: Topics, publisher: Publishing, metrics: Metrics) -> None:
        self.costs = costs
        self.read = asyncio.Event()
        """Set once all that was known at the start is."""
        self._brokers, self._topic, self._publisher, self._metrics = brokers, topics.costs, publisher, metrics
        self._headers = event_headers("learned", "learn")
        self._checked: Counter[bool] = Counter()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to read and to write; returns when what is known is read, or after `READ_S`."""
        self._tasks = [asyncio.create_task(work) for work in (self._follow(), self._write())]
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_S):
                await self.read.wait()

    async def stop(self) -> None:
        """Write the rest down."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._put(all=True)

    def report(self, report: WorkerReport) -> None:
        """A worker reported; learn from its runs."""
        for run in report.ran:
            checked = self.costs.learn(run)
            if checked is not None:
                self._checked[checked.within] += 1
                self._metrics.predicted.labels("yes" if checked.within else "no").inc()
                self._metrics.predicted_ratio.observe(checked.ratio)

    async def _write(self) -> None:
        look = 0
        while True:
            await asyncio.sleep(WRITE_S)
            look += 1
            await self._put(all=look % ALL_EVERY == 0)
            if look % ALL_EVERY == 0:
                self._log()

    async def _put(self, *, all: bool) -> None:
        learned = self.costs.changed(all=all)
        await self._publisher.publish([Record(self._topic, _key(one), encode(one), self._headers) for one in learned])

    def _log(self) -> None:
        runs = self._checked.total()
        if runs:
            log.info("%d runs predicted, %.0f %% of them within the interval", runs, 100 * self._checked[True] / runs)
        self._checked.clear()

    async def _follow(self) -> None:
        while True:
            try:
                await self._read_on()
            except (KafkaError, OSError) as error:
                log.warning("what runs cost cannot be read (%s)", type(error).__name__)
            await asyncio.sleep(PAUSE_S)

    async def _read_on(self) -> None:
        reader = AIOKafkaConsumer(**client_options(self._brokers), enable_auto_commit=False, auto_offset_reset="earliest")
        place = TopicPartition(self._topic, 0)
        try:
            await reader.start()
            reader.assign([place])
            end = (await reader.end_offsets([place]))[place]
            while True:
                if await reader.position(place) >= end:
                    self.read.set()
                for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
                    self._restore(records)
        finally:
            await reader.stop()

    def _restore(self, records: list[Any]) -> None:
        for record in records:
            try:
                self.costs.restore(learned_of(record.value))
            except Invalid as error:
                log.warning("record at %s@%d skipped: %s", record.topic, record.offset, error.field)


def _key(learned: LearnedCost) -> bytes:
    return f"{learned.device}|{learned.key}".encode()
