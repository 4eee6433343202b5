"""One run: enough work for everybody, and workers that join, leave and die one after the other."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from contracts.catalog import Cost, ModelSpec
from contracts.codec import encode
from contracts.events import Inputs, Job, Result, Status
from contracts.publish import Publisher
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import PackedBatch, QueuedHead, WorkerReport
from loadtest.crew.crew import START_S, Crew, at_work, settings_in
from loadtest.crew.noop import NOOP
from loadtest.crew.watch import Seen, Watch
from loadtest.rebalance.history import Event, History, Owned, Placed, Ran

CALM_S = 15.0
"""How long things are watched before the first event: what usual is."""
TENANTS = ("ash", "birch", "cedar", "fir")
_first_id = msgspec.json.Decoder(QueuedHead).decode


class Eyes:
    """Notes down what the topics tell."""

    def __init__(self, bootstrap: str, topics: Topics) -> None:
        self.history = History()
        self._topics = topics
        several = dict.fromkeys((topics.results, topics.status), topics.partitions)
        batches = topics.batches(topics.pools[0])
        self.watch = Watch(bootstrap, several | {batches: topics.batch_partitions, topics.workers: 1}, self._take)
        self._batches = batches

    def _take(self, topic: str, one: Seen[bytes]) -> None:
        if topic == self._topics.results:
            self._ran(msgspec.json.decode(one.value, type=Result))
        elif topic == self._topics.status:
            self._told(msgspec.json.decode(one.value, type=Status))
        elif topic == self._batches:
            self._placed(one, msgspec.json.decode(one.value, type=PackedBatch))
        else:
            self._owned(msgspec.json.decode(one.value, type=WorkerReport))

    def _ran(self, one: Result) -> None:
        if one.batch and one.timings and one.timings.started_at:
            self.history.ran.append(
                Ran(batch=one.id, worker=_slot(one.batch.worker), began=one.timings.started_at, ended=one.timings.finished_at)
            )

    def _told(self, one: Status) -> None:
        if one.state == "running" and one.step == 0:
            self.history.starts.setdefault(one.id, []).append(one.at)

    def _placed(self, seen: Seen[Any], one: PackedBatch) -> None:
        (job,) = one.jobs
        self.history.placed.append(
            Placed(batch=_first_id(bytes(job)).id, partition=seen.partition, offset=seen.offset, at=one.formed_at)
        )

    def _owned(self, one: WorkerReport) -> None:
        self.history.owned.append(Owned(worker=_slot(one.worker), at=one.at, positions=one.positions))


def _slot(worker: str) -> str:
    """The name of a worker without what makes it unique."""
    return worker.rpartition("-")[0]


async def rebalances(folder: Path, bootstrap: str, *, workers: int, batch_s: float, rounds: int) -> History:
    """Everything from the start of the processes to the end of the last event's time."""
    settings = settings_in(folder, bootstrap, model(batch_s))
    eyes = Eyes(bootstrap, settings.topics)
    async with at_work(settings, folder, workers=workers) as crew:
        watching = asyncio.ensure_future(eyes.watch.run())
        try:
            await _send(bootstrap, settings.topics, int(120 * rounds * workers / batch_s))
            await _calm(eyes.history, workers)
            for _ in range(rounds):
                await _round(crew, eyes.history, batch_s, settings.kafka.session_timeout_s)
            eyes.history.ended = time.time()
            await _all_read(eyes.history, batch_s)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    return eyes.history


def model(batch_s: float) -> ModelSpec:
    """Batches of one job that take about this long."""
    options = {"base_s": batch_s, "spread": 0.2}
    cost = Cost(base_s=batch_s, per_row_step_s=0.001)
    return replace(NOOP, steps=20, max_steps=20, batch_cap=1, options=options, cost=cost)


async def _send(bootstrap: str, topics: Topics, count: int) -> None:
    """More work than anybody can do, so that whoever is idle need not be."""
    jobs = [
        Job(id=f"job-{n}", tenant=TENANTS[n % len(TENANTS)], task="text-to-image", inputs=Inputs(prompt="a", seed=n))
        for n in range(count)
    ]
    async with Publisher(bootstrap, client_id="rebalance") as publisher:
        await publisher.publish([Record(topics.jobs, one.id.encode(), encode(one)) for one in jobs])


async def _calm(history: History, workers: int) -> None:
    async with asyncio.timeout(START_S):
        while len({one.worker for one in history.ran}) < workers:  # noqa: ASYNC110 - watched from outside
            await asyncio.sleep(0.1)
    history.calm_from = time.time()
    await asyncio.sleep(CALM_S)


async def _round(crew: Crew, history: History, batch_s: float, session_s: float) -> None:
    after = 3 * batch_s
    newcomer = await _join(crew, history)
    async with asyncio.timeout(START_S):
        while not any(one.worker == newcomer for one in history.ran):  # noqa: ASYNC110 - watched from outside
            await asyncio.sleep(0.1)
    await asyncio.sleep(after)
    at = time.time()
    left = await crew.leave()
    history.events.append(Event(kind="leave", worker=left.name, at=at, over=time.time()))
    await asyncio.sleep(after)
    await _join(crew, history)
    await asyncio.sleep(after)
    history.events.append(Event(kind="kill", at=time.time(), worker=crew.kill().name))
    await asyncio.sleep(session_s + after)


async def _join(crew: Crew, history: History) -> str:
    """One more worker; its name."""
    at = time.time()
    newcomer = await crew.join()
    history.events.append(Event(kind="join", worker=newcomer.name, at=at, over=time.time()))
    return newcomer.name


async def _all_read(history: History, batch_s: float) -> None:
    """What began before the end has its result, if it is ever to have one."""
    await asyncio.sleep(2 * batch_s + 2)
    history.ran = [one for one in history.ran if one.began <= history.ended]
