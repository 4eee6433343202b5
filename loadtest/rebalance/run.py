"""One run: enough work for everybody, and workers that join, leave and die one after the other."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec

from contracts.codec import encode
from contracts.events import Inputs, Job, Result, Status
from contracts.publish import Publisher
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import PackedBatch, QueuedHead, WorkerReport
from darkroom.system.topics import create_topics
from infra.local.claim import Claim
from loadtest.rebalance.crew import Crew, settings_for
from loadtest.rebalance.history import History, Owned, Placed, Ran
from loadtest.storm.history import Seen
from loadtest.storm.watch import Watch

START_S = 180.0
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
    settings = settings_for(folder, bootstrap, batch_s)
    await create_topics(bootstrap, settings.topics)
    claim = Claim(folder, "rebalance.json")
    crew, eyes = Crew(settings, folder, claim.fd), Eyes(bootstrap, settings.topics)
    watching = asyncio.ensure_future(eyes.watch.run())
    try:
        async with asyncio.timeout(START_S):
            await crew.open(workers)
        await _send(bootstrap, settings.topics, int(120 * rounds * workers / batch_s))
        await _calm(eyes.history, workers)
        for _ in range(rounds):
            await _round(crew, eyes.history, batch_s, settings.kafka.session_timeout_s)
        eyes.history.ended, eyes.history.events = time.time(), crew.events
        await _all_read(eyes.history, batch_s)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        crew.close()
        claim.release()
    return eyes.history


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
    newcomer = await crew.join()
    async with asyncio.timeout(START_S):
        while not any(one.worker == newcomer.worker for one in history.ran):  # noqa: ASYNC110 - watched from outside
            await asyncio.sleep(0.1)
    await asyncio.sleep(after)
    await crew.leave()
    await asyncio.sleep(after)
    await crew.join()
    await asyncio.sleep(after)
    await crew.kill()
    await asyncio.sleep(session_s + after)


async def _all_read(history: History, batch_s: float) -> None:
    """What began before the end has its result, if it is ever to have one."""
    await asyncio.sleep(2 * batch_s + 2)
    history.ran = [one for one in history.ran if one.began <= history.ended]
