"""Workers on a real Kafka while the folder of objects is not there: nothing is lost, and no GPU work is done again."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from contracts.events import Output, Result
from contracts.work import Batch
from gpu_consumers.parcel import unpack
from infra.settings import to_env
from tests.support.batches import batches, catalog
from tests.support.eventually import eventually
from tests.support.workers import ROOT, START, Pool, WorkerProcess, pool

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

Opened = Callable[..., Any]


@pytest.fixture
def workers(bootstrap: str, topic_prefix: str, tmp_path: Path) -> Opened:
    def opened(**settings: Any) -> Any:
        return pool(bootstrap, topic_prefix, tmp_path, catalog(tmp_path / "models.toml"), partitions=2, **settings)

    return opened


class Store:
    """The folder of objects, which can be taken away: a file is in its place then."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "objects"
        self._aside = folder / "objects-aside"
        self.path.mkdir()

    def away(self) -> None:
        self.path.rename(self._aside)
        self.path.write_bytes(b"not a folder")

    def back(self) -> None:
        self.path.unlink()
        self._aside.rename(self.path)

    def keys(self) -> set[str]:
        return {str(one.relative_to(self.path)) for one in self.path.rglob("*.png")}


def ids(work: list[Batch]) -> set[str]:
    return {job.id for one in work for job in one.jobs}


def parcels(folder: Path) -> list[Path]:
    return list((folder / "spool").rglob("*.parcel"))


def whole(output: Output) -> bool:
    body = Path(unquote(urlsplit(output.url).path)).read_bytes()
    return (len(body), hashlib.sha256(body).hexdigest()) == (output.bytes, output.sha256)


async def ran(one: Pool, work: list[Batch]) -> None:
    await eventually(lambda: ids(work) <= one.starts().keys(), within=START, what="a start of every job")


def jobs_kept(folder: Path) -> int:
    """Jobs whose outputs are in the spool; a batch may be in several parcels."""
    return sum(len(unpack(path.read_bytes()).places) for path in parcels(folder))


async def kept(folder: Path, jobs: int) -> None:
    await eventually(lambda: jobs_kept(folder) >= jobs, within=START, what=f"the outputs of {jobs} jobs in the spool")


async def with_all_in_its_spool(one: Pool, count: int) -> tuple[Store, list[Batch], WorkerProcess]:
    """The store, away; batches of four; a worker that has run them all and can tell of none."""
    store, work = Store(one.folder), batches(count, 4)
    store.away()
    await one.send(work)
    worker = await one.start()
    await kept(one.folder, 4 * count)
    return store, work, worker


async def all_committed(one: Pool, count: int) -> None:
    async def reached() -> bool:
        return sum((await one.committed()).values()) == count

    await eventually(reached, within=START, what=f"{count} batches committed")


async def ended_well(one: Pool, work: list[Batch], folder: Path) -> None:
    """Every job was run once, told to have succeeded, and its picture is there; nothing is left over."""
    await one.all_told(ids(work))
    await all_committed(one, len(work))
    await one.all_seen()
    assert {state for states in one.states().values() for state in states} == {"succeeded"}
    assert one.starts() == dict.fromkeys(ids(work), 1), "GPU work was done again"
    assert all(whole(output) for outcome in one.outcomes for output in outcome.outputs)
    assert len({output.key for outcome in one.outcomes for output in outcome.outputs}) == len(ids(work))
    await eventually(lambda: not parcels(folder), what="an empty spool")


async def test_the_gpu_goes_on_while_the_store_is_away_and_everything_is_told_when_it_is_back(
    workers: Opened, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    async with workers() as one:
        work = batches(12, 4)
        await one.start()
        await one.at_work()
        store.away()
        await one.send(work)
        await ran(one, work)
        await kept(tmp_path, 12 * 4)
        await one.all_seen()
        assert not one.outcomes, "a result before its picture"
        assert sum((await one.committed()).values()) == 0
        await eventually(lambda: one.reports[-1].slots == 2 + 12, what="room for more, whatever is not committed")
        store.back()
        await ended_well(one, work, tmp_path)
        assert set(one.copies().values()) == {1}
        await eventually(lambda: one.reports[-1].slots == 2, what="the usual room")


async def test_a_worker_killed_while_the_store_is_away_runs_nothing_again(workers: Opened, tmp_path: Path) -> None:
    store = Store(tmp_path)
    async with workers() as one:
        work = batches(8, 4)
        store.away()
        await one.send(work)
        for _ in range(2):
            worker = await one.start()
            await ran(one, work)
            await kept(tmp_path, 8 * 4)
            worker.kill()
            await worker.ended()
        await one.start()
        store.back()
        await ended_well(one, work, tmp_path)


async def test_a_worker_killed_while_it_drains_runs_nothing_again(workers: Opened, tmp_path: Path) -> None:
    async with workers() as one:
        store, work, worker = await with_all_in_its_spool(one, 24)
        store.back()
        await one.more_than(0)
        worker.kill()
        await worker.ended()
        await one.start()
        await ended_well(one, work, tmp_path)


async def test_a_worker_told_to_stop_leaves_its_spool_to_the_next_one(workers: Opened, tmp_path: Path) -> None:
    async with workers(grace_s=1.0) as one:
        store, work, worker = await with_all_in_its_spool(one, 4)
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
        assert jobs_kept(tmp_path) == 4 * 4
        log = worker.log.read_text()
        assert "left in the spool" in log
        assert "secret" not in log
        store.back()
        await one.start()
        await ended_well(one, work, tmp_path)


async def test_a_worker_told_to_stop_drains_its_spool_while_its_grace_lasts(workers: Opened, tmp_path: Path) -> None:
    async with workers(grace_s=60.0) as one:
        store, work, worker = await with_all_in_its_spool(one, 4)
        worker.kill(signal.SIGTERM)
        await eventually(lambda: one.reports[-1].leaving, what="the report of leaving")
        store.back()
        assert await worker.ended() == 0
        await ended_well(one, work, tmp_path)


async def test_a_full_spool_stops_the_worker_and_loses_nothing(workers: Opened, tmp_path: Path) -> None:
    store = Store(tmp_path)
    async with workers(spool_files=3) as one:
        work = batches(12, 4)
        await one.start()
        await one.at_work()
        store.away()
        await one.send(work)
        await eventually(lambda: len(parcels(tmp_path)) == 3, within=START, what="a full spool")
        await eventually(lambda: one.reports[-1].slots == 0, what="no room")
        assert len(one.starts()) <= 4 * (3 + 2), "batches were begun whose outputs have no room"
        store.back()
        await ended_well(one, work, tmp_path)
        await eventually(lambda: one.reports[-1].slots == 2, what="the usual room")


async def test_a_batch_that_another_worker_ran_meanwhile_has_one_result_and_no_picture_too_many(
    workers: Opened, tmp_path: Path
) -> None:
    async with workers() as one:
        store, work, first = await with_all_in_its_spool(one, 2)
        second = await one.start()
        await one.at_work(2)
        first.kill()
        await first.ended()
        # What the first one had in hand goes to the second, whose own spool is elsewhere.
        await eventually(lambda: 2 in one.starts().values(), within=START, what="a job run by the second worker, too")
        await kept(tmp_path, 3 * 4)
        await one.start()
        async with settled(one) as results:
            store.back()
            await one.all_told(ids(work))
            await all_committed(one, 2)
            await eventually(lambda: not parcels(tmp_path), what="an empty spool")
            await eventually(lambda: len(results) >= 8, within=START, what="all results")
            named = {output.key for result in results for output in result.outputs}
            await eventually(lambda: store.keys() == named, what="nothing but what the results name")
        assert sorted(result.id for result in results) == sorted(ids(work)), "one result each"
        assert second.process.returncode is None


@asynccontextmanager
async def settled(one: Pool) -> AsyncIterator[list[Result]]:
    """Settle at work, and the results it tells."""
    store = msgspec.structs.replace(one.settings.store, jobs=f"sqlite:///{one.folder / 'jobs.db'}")
    env = {**os.environ, **to_env(msgspec.structs.replace(one.settings, store=store))}
    found: list[Result] = []
    consumer = AIOKafkaConsumer(
        one.topics.results, bootstrap_servers=one.bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "streams.settle_app", cwd=ROOT, env=env)
    reading = asyncio.create_task(_read(consumer, found))
    try:
        yield found
    finally:
        process.kill()
        await process.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, into: list[Result]) -> None:
    async for record in consumer:
        into.append(msgspec.json.decode(record.value, type=Result))  # noqa: PERF401 - endless
