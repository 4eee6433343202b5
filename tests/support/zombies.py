"""Workers that are stopped, replaced and woken up, many at once, and a judge of what is left of that."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil

from contracts.events import Result
from contracts.work import Batch, Outcome
from infra.jobstore import open_jobs
from infra.objects.folder import open_folder
from loadtest.crew.watch import committed, read_all
from streams.ports import Claim, JobRow
from tests.support.batches import batch, catalog, queued
from tests.support.eventually import eventually
from tests.support.streams import Part
from tests.support.workers import START, Pool, WorkerProcess, pool

TENANT = "t"
ZOMBIES = 4
SLOTS = 3
"""One batch that stops its worker, and two behind it, which it goes on with when it wakes up."""
SEAMS = ("run", "upload", "publish", "commit")
REMOVED_S = 5.0
"""So long after everything else the objects of the late ones may still be there: they are removed on the side."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """Everything that anybody can see at the end."""

    results: list[tuple[Result, bytes]]
    """Read committed."""
    outcomes: list[Outcome]
    """As settle sees them: those of a job in order."""
    rows: dict[str, JobRow | None]
    objects: set[str]


def faults(ids: Sequence[str], left: Left) -> list[str]:
    """What is wrong with it. A trial's id is the job's."""
    found = [fault for id in ids for fault in _faults_of(id, left)]
    named = {output.key for result, _ in left.results for output in result.outputs}
    found += [f"{key}: no result names it" for key in sorted(left.objects - named)]
    return found + [f"{key}: a result names it, but it is gone" for key in sorted(named - left.objects)]


def _faults_of(id: str, left: Left) -> list[str]:
    told = [(result, body) for result, body in left.results if result.id == id]
    if len(told) != 1:
        return [f"{id}: {len(told)} results"]
    (result, body), row = told[0], left.rows[id]
    first = next(outcome for outcome in left.outcomes if outcome.id == id)
    wrong = [] if result.state == "succeeded" and result.outputs == first.outputs else [f"{id}: not the first outcome won"]
    return wrong + ([] if row and row.state == result.state and row.result == body else [f"{id}: the job store disagrees"])


def told_late(id: str) -> bool:
    """Whether this trial cannot but end with two outcomes: the one that stopped it was past all checks, or heard nothing."""
    return ".blind" in id or id.startswith(("publish.", "commit."))


@dataclass(kw_only=True)
class Haunt:
    """A pool with one sound worker and several that will be stopped, and settle."""

    pool: Pool
    settle: Part
    zombies: list[WorkerProcess] = field(default_factory=list)
    trials: list[str] = field(default_factory=list)
    """Ids of the jobs that a stopped worker had in hand."""
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def night(self, kinds: Sequence[str]) -> None:
        """Each zombie is stopped in its own way with all its hands full; all is done by the other; then they wake up.

        A kind is a seam, with `.blind` or without.
        """
        await self.pool.at_work(ZOMBIES + 1)
        hands = [self._hand(kind) for kind in kinds]
        await self._claim([id for hand in hands for id in _ids(hand)])
        places = self._places()
        for number, hand in enumerate(hands):
            await self.pool.send(hand, places[f"zombie-{number}"])
        await eventually(self._all_committed, within=START, what="the other worker through with all batches")
        # On a machine that hardly gets on, a worker may have lost its partition before it took anything.
        ids = [id for worker, hand in zip(self.zombies, hands, strict=True) if _stopped(worker) for id in _ids(hand)]
        for one in self.zombies:
            for pid in (*one.engines, one.pid):
                os.kill(pid, signal.SIGCONT)
        self.trials += ids
        await self._at_rest(ids)

    def _hand(self, kind: str) -> list[Batch]:
        blind = ".blind" if ".blind" in kind else ""
        names = [f"{kind}.{next(self.numbers)}"] + [f"behind{blind}.{next(self.numbers)}" for _ in range(SLOTS - 1)]
        return [batch(name, [queued(name, tenant=TENANT)]) for name in names]

    def _places(self) -> dict[str, int]:
        last = {report.worker.rpartition("-")[0]: report for report in self.pool.reports}
        return {name: min(report.positions) for name, report in last.items() if report.positions}

    async def _claim(self, ids: Sequence[str]) -> None:
        jobs = open_jobs(self.pool.settings.store.jobs)
        try:
            await jobs.claim(
                [
                    Claim(
                        tenant=TENANT, id=id, fingerprint=id.encode(), source="0@0", submitted_at=1.0, model="noop@1",
                        tier="ordinary",
                    )
                    for id in ids
                ]
            )  # fmt: skip
        finally:
            await jobs.close()

    async def _all_committed(self) -> bool:
        topic, spread = self.pool.topics.batches("default"), self.pool.settings.kafka.batch_partitions
        return sum((await self.pool.committed()).values()) == sum((await self.pool.ends(topic, spread)).values())

    async def _at_rest(self, ids: Sequence[str]) -> None:
        """Every worker is back in the group, what had to be told late is told, and settle is through with it."""
        await self.pool.at_work(ZOMBIES + 1)
        late = [id for id in ids if told_late(id)]
        await eventually(lambda: all(self.pool.copies()[id] > 1 for id in late), within=START, what="the late outcomes")
        await eventually(self._all_settled, within=START, what="every outcome settled")

    async def _all_settled(self) -> bool:
        topics = self.pool.topics
        done = await committed(self.pool.bootstrap, topics.group("settle"))
        return sum(done.values()) == sum((await self.pool.ends(topics.outcomes, topics.partitions)).values())

    async def faults(self) -> list[str]:
        """What is wrong with the trials so far, once it has been given a moment to come right."""
        until = time.monotonic() + REMOVED_S
        while (found := faults(self.trials, await self._left())) and time.monotonic() < until:  # noqa: ASYNC110 - a look reads all
            await asyncio.sleep(0.25)
        return found

    async def _left(self) -> Left:
        topics, store = self.pool.topics, self.pool.settings.store
        seen = await read_all(self.pool.bootstrap, topics.results, topics.partitions)
        jobs = open_jobs(store.jobs)
        try:
            rows = {id: await jobs.get(TENANT, id) for id in self.trials}
        finally:
            await jobs.close()
        return Left(
            results=[(msgspec.json.decode(one.value, type=Result), one.value) for one in seen],
            outcomes=list(self.pool.outcomes),
            rows=rows,
            objects=set(open_folder(store.objects).list_now()),
        )

    def late(self) -> Counter[str]:
        """How many trials of each way to be stopped were told twice."""
        return Counter(id.partition(".")[0] for id in self.trials if self.pool.copies()[id] > 1)

    async def another_settle(self, bug: str = "") -> None:
        """The old one goes; a new one comes, with a bug of `loadtest.storm.bugs` planted in it."""
        await self.settle.end()
        self.settle = _settle(self.pool, bug)
        await self.settle.start()


def _ids(hand: Sequence[Batch]) -> list[str]:
    return [job.id for one in hand for job in one.jobs]


def _stopped(one: WorkerProcess) -> bool:
    return psutil.Process(one.pid).status() == psutil.STATUS_STOPPED


def _settle(one: Pool, bug: str = "") -> Part:
    return Part(module="streams.settle_app", settings=one.settings, log=one.folder / "settle.log", bug=bug)


@asynccontextmanager
async def haunt(bootstrap: str, prefix: str, folder: Path, *, session_s: float) -> AsyncIterator[Haunt]:
    """All processes at work; they are gone at the end."""
    models = catalog(folder / "models.toml", base_s=0.1)
    async with pool(bootstrap, prefix, folder, models, partitions=ZOMBIES + 1, session_s=session_s, slots=SLOTS) as one:
        found = Haunt(pool=one, settle=_settle(one))
        try:
            await found.settle.start()
            await one.start(name="sound")
            found.zombies = [await one.start("tests.support.zombie_worker", name=f"zombie-{number}") for number in range(ZOMBIES)]
            yield found
        finally:
            if found.settle.running:
                await found.settle.kill()
