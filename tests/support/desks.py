"""Delivery and spool of one worker, with a store and a publisher in memory that can be told to wait or to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry

from contracts.codec import encode
from contracts.metrics import Metrics
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import Outcome
from gpu_consumers.backlog import Backlog
from gpu_consumers.deliver import Delivery, Teller
from gpu_consumers.disk import LocalDisk
from gpu_consumers.drain import Drain
from gpu_consumers.flight import Flight, Source, open_batch
from gpu_consumers.frames import File, Made, Told, Unmade
from gpu_consumers.ports import DamagedObject, NoSuchObject, ObjectsUnavailable, StoredObject
from gpu_consumers.spool import Disk, Spool
from gpu_consumers.upload import Uploader
from tests.support.batches import batch, queued


@dataclass
class Memory:
    """An object store."""

    held: dict[str, bytes] = field(default_factory=dict)
    down: bool = False
    damaged: bool = False
    silent: bool = False
    """It never answers when asked to remove."""
    failures: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, objects: Sequence[StoredObject]) -> list[str]:
        await self.gate.wait()
        if self.failures or self.down:
            self.failures = max(0, self.failures - 1)
            raise ObjectsUnavailable("down")
        if self.damaged:
            raise DamagedObject("an output is not what its sha256 says")
        self.held |= {one.key: one.body for one in objects}
        return [f"memory:{one.key}" for one in objects]

    async def get(self, key: str) -> bytes:
        if key not in self.held:
            raise NoSuchObject
        return self.held[key]

    async def remove(self, keys: Sequence[str]) -> None:
        if self.silent:
            await asyncio.Event().wait()
        for key in keys:
            self.held.pop(key, None)


@dataclass
class Ledger:
    """A publisher."""

    records: list[Record] = field(default_factory=list)

    async def publish(self, records: Sequence[Record]) -> None:
        await asyncio.sleep(0)
        self.records += records

    @property
    def outcomes(self) -> list[Outcome]:
        return [msgspec.json.decode(one.value or b"", type=Outcome) for one in self.records]


@dataclass
class Desk:
    """A delivery at work, and what came of it."""

    delivery: Delivery
    backlog: Backlog
    spool: Spool
    metrics: Metrics
    store: Memory
    ledger: Ledger
    settled: asyncio.Event
    done: list[int] = field(default_factory=list)
    committed: set[int] = field(default_factory=set)

    async def finish(self, flight: Flight) -> None:
        await asyncio.sleep(0)
        self.done.append(flight.run)
        self.committed.add(flight.offset)

    def expects(self, _partition: int, offset: int) -> bool:
        return offset not in self.committed


def _set_up(spool: Spool, store: Memory, ledger: Ledger) -> tuple[Desk, Drain]:
    metrics, settled = Metrics(CollectorRegistry()), asyncio.Event()
    backlog = Backlog(spool, metrics, lambda: None)
    uploader, teller = Uploader(store, "abcd"), Teller("w-1", Topics(), ledger)
    delivery = Delivery(teller=teller, uploader=uploader, backlog=backlog, metrics=metrics)
    drain = Drain(backlog=backlog, uploader=uploader, teller=teller)
    store.gate.set()
    settled.set()
    one = Desk(delivery=delivery, backlog=backlog, spool=spool, metrics=metrics, store=store, ledger=ledger, settled=settled)
    return one, drain


@asynccontextmanager
async def desk(
    folder: Path,
    *,
    store: Memory | None = None,
    ledger: Ledger | None = None,
    disk: Disk | None = None,
    max_bytes: int = 1 << 20,
    max_files: int = 100,
) -> AsyncIterator[Desk]:
    """One life of a worker on a spool folder; at its end everything is dropped as a kill would."""
    spool = Spool(folder, disk or LocalDisk(), max_bytes=max_bytes, max_files=max_files)
    one, drain = _set_up(spool, store or Memory(), ledger or Ledger())
    await one.backlog.open()

    async def nothing_before() -> None:
        await asyncio.sleep(0)

    tasks = [
        asyncio.create_task(one.delivery.serve(one.settled, nothing_before, one.finish)),
        asyncio.create_task(drain.serve(nothing_before, one.finish, one.expects)),
        asyncio.create_task(drain.sweep(one.expects)),
    ]
    try:
        yield one
    finally:
        for task in tasks:
            task.cancel()
        failed = [one for one in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(one, Exception)]
        assert not failed


def flight(run: int = 1, *, offset: int | None = None) -> Flight:
    """A batch `b` of a job `a` and a job `b`, which runs for the second time."""
    source = Source(topic="batches.default", partition=0, offset=run if offset is None else offset)
    return open_batch(run, source, encode(batch("b", [queued("a"), queued("b", attempt=2)])), 0.0)


def told(one: Flight, *, over: bool = True, body: bytes = b"png") -> Told:
    """The first job succeeded, the second did not."""
    file = File(body=body, media_type="image/png", suffix="png", width=8, height=8, sha256="00", seed=1)
    made = Made(place=0, files=[file], finished_at=5.0, run_s=1.0, gpu_s=0.5)
    unmade = Unmade(place=1, state="failed", code="out_of_memory", message="too large", retryable=True)
    return Told(run=one.run, made=[made], unmade=[unmade], over=over)


async def idle() -> None:
    """Let everything run that can."""
    for _ in range(50):
        await asyncio.sleep(0)
