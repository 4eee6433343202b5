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

from contracts.brokers import Reach
from contracts.codec import Decoder, encode
from contracts.headers import event_headers
from contracts.metrics import Metrics
from contracts.records import Publishing, Record
from contracts.topics import Topics
from contracts.work import LearnedCost, WorkerReport
from streams.follow import Following
from streams.policy.cost_model import CostModel

log = logging.getLogger(__name__)

WRITE_S = 2.0
"""Between looks for something to write down: what a kill makes us forget at most of a new key."""

ALL_EVERY = 30
"""Looks after which all that changed is written."""

STOP_S = 2.0

learned_of = Decoder(LearnedCost)


class Learning:
    """A process's cost model, in step with `costs`."""

    def __init__(self, costs: CostModel, *, brokers: Reach, topics: Topics, publisher: Publishing, metrics: Metrics) -> None:
        self.costs = costs
        self._topic, self._publisher, self._metrics = topics.costs, publisher, metrics
        self._following = Following(brokers, topics.costs, self._restore)
        self._headers = event_headers("learned", "learn")
        self._checked: Counter[bool] = Counter()
        self._writing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read and to write; returns when what is known is read, or after a while: the table is good enough to begin."""
        self._writing = asyncio.create_task(self._write())
        await self._following.start()

    async def stop(self) -> None:
        """Write the rest down."""
        await self._following.stop()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
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

    def _restore(self, record: Any) -> None:
        self.costs.restore(learned_of(record.value))


def _key(learned: LearnedCost) -> bytes:
    return f"{learned.device}|{learned.key}".encode()
