"""Gathers the history of a storm: while it goes on, and at its end."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from aiokafka.errors import KafkaError

from contracts.events import Dead, Result, Status
from contracts.topics import Topics
from contracts.work import WorkerReport
from darkroom.strays import sweep
from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable
from infra.jobstore import open_jobs
from infra.objects.connect import open_objects
from infra.settings import Settings, Store
from loadtest.crew.watch import AGAIN_S, Place, Seen, Watch, committed, ends, lag, read_all, read_to
from loadtest.storm.history import History, Name, Snapshot, Stored
from loadtest.storm.in_hand import InHand
from loadtest.storm.intake import sort_out
from loadtest.storm.stores import S3
from loadtest.storm.victims import Victims
from streams.ports import JobRow, JobStore

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Questions to a store."""
LOOK_S = 2.0
"""Between looks at what is committed."""
FINISH_S = 90.0
"""After the last result: how long the groups may take to commit the rest."""


class Evidence:
    """What the oracle will be shown."""

    def __init__(self, settings: Settings, history: History, stores: Store) -> None:
        """`stores`: where the oracle looks, whatever stands between them and the processes."""
        self.history = history
        self._settings, self._topics, self._stores = settings, settings.topics, stores
        self._objects = open_objects(stores.objects)
        self.reports: list[Seen[WorkerReport]] = []
        self.ended: Counter[Name] = Counter()
        self._looks: list[asyncio.Task[None]] = []
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.last_result = 0.0
        topics = self._topics
        several = dict.fromkeys((topics.results, topics.status), topics.partitions)
        self.watch = Watch(self.bootstrap, several | {topics.dead: 1, topics.workers: 1}, self._take)

    @property
    def bootstrap(self) -> str:
        """Address of the brokers."""
        return self._settings.kafka.bootstrap_servers

    def _take(self, topic: str, one: Seen[bytes]) -> None:
        topics, history = self._topics, self.history
        if topic == topics.results:
            self._take_result(_as(one, Result))
        elif topic == topics.status:
            history.statuses.append(_as(one, Status))
        elif topic == topics.dead:
            history.dead.append(_as(one, Dead))
        else:
            self.reports.append(_as(one, WorkerReport))

    def _take_result(self, one: Seen[Result]) -> None:
        self.history.results.append(one)
        self.ended[one.value.tenant, one.value.id] += 1
        self.last_result = time.monotonic()
        # In tasks: a store takes its time, and who waits for it here hears of results too late.
        self._looks += [asyncio.create_task(self._look_at(output.key)) for output in one.value.outputs]

    async def _look_at(self, key: str) -> None:
        self.history.looked += 1
        async with self._slots:
            while True:
                try:
                    await self._objects.get(key)
                except NoSuchObject:
                    self.history.unmade.append(key)
                except ObjectsUnavailable as error:  # no outage of ours, which the oracle looks past: the machine is busy
                    log.info("no look at an object (%s), again", error)
                    await asyncio.sleep(AGAIN_S)
                    continue
                return

    async def look_often(self) -> None:
        """Note now and then what is committed, and then where the answers end. Until cancelled."""
        while True:
            try:
                self.history.snapshots.append(await self._look())
            except (KafkaError, OSError, TimeoutError) as error:
                log.info("no look at the offsets (%s)", type(error).__name__)
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> Snapshot:
        topics = self._topics
        done = await committed(self.bootstrap, topics.group("streams"))
        end = await ends(self.bootstrap, {topics.status: topics.partitions})
        return Snapshot(committed=_plain(done, topics), ends=_plain(end, topics))

    async def gather(self, victims: Victims) -> None:
        """What there is to see at the end, with every process at rest."""
        topics, history = self._topics, self.history
        history.left = await self._left()
        history.snapshots.append(await self._look())
        outputs = {topics.results: topics.partitions, topics.status: topics.partitions, topics.dead: 1}
        await read_to(self.watch, await ends(self.bootstrap, outputs, finished=True))
        history.jobs = await read_all(self.bootstrap, topics.jobs, topics.partitions)
        history.control = await read_all(self.bootstrap, topics.control, 1)
        await asyncio.gather(*self._looks)
        await self._stores_at_rest()
        self._count(victims)

    async def _left(self) -> dict[Place, int]:
        until = time.monotonic() + FINISH_S
        while any((left := await self._lag()).values()) and time.monotonic() < until:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(1.0)
        return left

    async def _lag(self) -> dict[Place, int]:
        topics, pool = self._topics, self._topics.pools[0]
        # Not the queues: what settle writes there ends with the mark of a transaction, which no reader commits past.
        read_by = {
            "streams": {topics.jobs: topics.partitions, topics.control: 1},
            f"gpu.{pool}": {topics.batches(pool): topics.batch_partitions},
            "settle": {topics.outcomes: topics.partitions},
        }
        left: dict[Place, int] = {}
        for role, names in read_by.items():
            done = await committed(self.bootstrap, topics.group(role))
            left |= lag(done, await ends(self.bootstrap, names))
        return left

    def _stored(self) -> dict[str, Stored]:
        keys = list(self._objects.list_now())
        with ThreadPoolExecutor(AT_ONCE) as threads:
            bodies = zip(keys, threads.map(self._objects.get_now, keys), strict=True)
            return {key: Stored(sha256=hashlib.sha256(body).hexdigest(), size=len(body)) for key, body in bodies}

    async def _stores_at_rest(self) -> None:
        """What is in the stores, before and after the sweep that operators have for what nobody names."""
        store, history = open_jobs(self._stores.jobs), self.history
        try:
            history.rows = await self._rows(store)
            history.left_behind = frozenset(await asyncio.to_thread(lambda: list(self._objects.list_now())))
            await sweep(self._objects, store)
        finally:
            await store.close()
        history.objects = await asyncio.to_thread(self._stored)

    async def _rows(self, store: JobStore) -> dict[Name, JobRow | None]:
        async def row(name: Name) -> JobRow | None:
            async with self._slots:
                return await store.get(*name)

        names = list(sort_out(self.history).jobs)
        return dict(zip(names, await asyncio.gather(*map(row, names)), strict=True))

    def _count(self, victims: Victims) -> None:
        """What the blows may have cost."""
        history, in_hand = self.history, InHand(victims, [seen.value for seen in self.reports])
        history.extra_allowed = in_hand.extra_allowed()
        history.orphans_allowed = in_hand.orphans_allowed()
        history.dead_workers = in_hand.dead_workers()
        history.store_was_away = any(blow.fault.actor == S3 for blow in victims.blows)


def _as(one: Seen[bytes], kind: type[Any]) -> Seen[Any]:
    value = msgspec.json.decode(one.value, type=kind)
    return Seen(partition=one.partition, offset=one.offset, at=one.at, value=value)


def _plain(places: dict[Place, int], topics: Topics) -> dict[Place, int]:
    """The same with the topics' names as everybody knows them."""
    return {(name.removeprefix(topics.prefix), number): offset for (name, number), offset in places.items()}
