"""Workers on a real Kafka, with batches written by hand."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import msgspec
import pytest

from contracts.codec import encode
from contracts.events import Control, Output
from contracts.publish import Publisher
from contracts.records import Record
from contracts.work import Batch, WorkerReport
from engines.noop import MIB
from infra.local.ports import free_ports
from infra.settings import Observe
from tests.support.batches import batch, batches, catalog, queued
from tests.support.eventually import eventually
from tests.support.workers import START, Pool, pool

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

LONG: dict[str, Any] = {"base_s": 4.0}
"""Engine options: a batch takes four seconds, in as many steps as its jobs have."""
STEPS = 100

Opened = Callable[..., Any]


@pytest.fixture
def workers(bootstrap: str, topic_prefix: str, tmp_path: Path) -> Opened:
    def opened(options: dict[str, Any] | None = None, **settings: Any) -> Any:
        return pool(bootstrap, topic_prefix, tmp_path, catalog(tmp_path / "models.toml", **(options or {})), **settings)

    return opened


def ids(work: list[Batch]) -> set[str]:
    return {job.id for one in work for job in one.jobs}


def stored(output: Output) -> bytes:
    return Path(unquote(urlsplit(output.url).path)).read_bytes()


async def all_committed(one: Pool, count: int) -> None:
    async def reached() -> bool:
        return sum((await one.committed()).values()) == count

    await eventually(reached, what=f"{count} batches committed")


async def test_every_job_has_one_outcome_with_its_picture_and_then_its_batch_is_committed(workers: Opened) -> None:
    async with workers({"device_mb": 500, "model_mb": 100, "row_mb": 10}) as one:
        work = batches(8, 16, count=2)
        await one.send(work)
        await one.start()
        await one.all_told(ids(work))
        await all_committed(one, 8)
        assert set(one.copies().values()) == {1}
        assert {outcome.state for outcome in one.outcomes} == {"succeeded"}
        assert one.starts() == dict.fromkeys(ids(work), 1)
        for outcome in one.outcomes[:20]:
            assert [output.seed for output in outcome.outputs] == [1, 2]
            for output in outcome.outputs:
                body = stored(output)
                assert (len(body), hashlib.sha256(body).hexdigest()) == (output.bytes, output.sha256)
        assert len({output.key for outcome in one.outcomes for output in outcome.outputs}) == 256
        await eventually(lambda: one.reports[-1].positions == {0: 2, 1: 2, 2: 2, 3: 2}, what="the report of all positions")
        assert one.reports[-1].models == ["noop@1"]
        assert (one.reports[-1].memory_bytes, one.reports[-1].held_bytes) == (500 * MIB, 100 * MIB)
        runs = [run for report in one.reports for run in report.ran]
        assert {(run.memory_bytes, run.model_bytes) for run in runs} == {(420 * MIB, 100 * MIB)}, "32 pictures"


async def test_a_worker_killed_again_and_again_loses_no_job_and_commits_nothing_it_did_not_tell(workers: Opened) -> None:
    async with workers({"base_s": 0.4}) as one:
        work = batches(12, 8)
        await one.send(work)
        for _ in range(3):
            worker = await one.start()
            before = len(one.outcomes)
            await one.more_than(before)
            worker.kill()
            await worker.ended()
            await nothing_committed_untold(one, work)
        await one.start()
        await one.all_told(ids(work))
        await all_committed(one, 12)
        assert one.states().keys() == ids(work)
        assert max(one.copies().values()) <= 4


async def nothing_committed_untold(one: Pool, work: list[Batch]) -> None:
    committed = await one.committed()
    await one.all_seen()
    told = one.states().keys()
    spread = one.settings.kafka.batch_partitions
    for number, done in enumerate(work):
        if number // spread < committed.get(number % spread, 0):
            assert ids([done]) <= told, "a batch was committed before its outcomes were out"


async def test_a_worker_told_to_stop_finishes_what_runs_and_leaves_the_ready_batch_to_others(workers: Opened) -> None:
    async with workers(LONG, partitions=1) as one:
        work = batches(2, 3, steps=STEPS)
        await one.send(work)
        worker = await one.start()
        await one.begun("job-0-0")
        for pid in (*worker.engines, worker.pid):  # as a service manager does
            os.kill(pid, signal.SIGTERM)
        assert await worker.ended() == 0
        assert await one.committed() == {0: 1}
        await one.all_seen()
        assert one.states().keys() == ids(work[:1])
        leaving = await eventually(lambda: [report.at for report in one.reports if report.leaving], what="the report of leaving")
        assert all(leaving[0] < outcome.at for outcome in one.outcomes), "leaving is told before the batch is finished"
        await one.start()
        await one.all_told(ids(work))
        assert set(one.copies().values()) == {1}
        assert set(one.starts().values()) == {1}


async def test_a_batch_that_outlasts_the_grace_period_is_handed_back(workers: Opened) -> None:
    async with workers({"base_s": 30.0}, partitions=1, grace_s=0.5) as one:
        await one.send(batches(1, 1, steps=1000))
        worker = await one.start()
        await one.begun("job-0-0")
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
        assert await one.committed() == {}
        await one.all_seen()
        assert not one.outcomes


async def test_an_engine_killed_in_a_batch_fails_that_batch_for_a_retry_and_no_other(workers: Opened) -> None:
    async with workers(LONG, partitions=1) as one:
        work = batches(2, 3, steps=STEPS)
        await one.send(work)
        worker = await one.start()
        await one.begun("job-0-0")
        (engine,) = worker.engines
        os.kill(engine, signal.SIGKILL)
        await one.all_told(ids(work))
        failed = [outcome for outcome in one.outcomes if outcome.state == "failed"]
        assert {outcome.id for outcome in failed} == ids(work[:1])
        for outcome in failed:
            assert outcome.error is not None
            assert (outcome.error.code, outcome.error.retryable, outcome.attempt) == ("engine_crashed", True, 1)
            assert b'"job-0-' in bytes(outcome.queued)
        assert set(one.copies().values()) == {1}
        await all_committed(one, 2)


async def counted(port: int, name: str) -> float:
    """A metric of the worker that serves its own on this port."""
    page = await asyncio.to_thread(lambda: urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))


async def test_an_engine_that_leaks_or_hangs_is_replaced_and_its_worker_stays_in_the_group(workers: Opened) -> None:
    options = {"base_s": 1.0, "leak_mb": 60}
    async with workers(options, partitions=1, growth_mb=100, hang_s=5.0) as one:
        (port,) = free_ports(1)
        one.settings = msgspec.structs.replace(one.settings, observe=Observe(http_port=port))
        work = batches(6, 1, steps=20)
        await one.send(work[:3])
        worker = await one.start()
        await one.all_told(ids(work[:3]))
        assert await eventually(lambda: counted(port, "darkroom_engine_recycled_total"), what="the leak noticed") == 1.0
        assert await counted(port, "darkroom_engine_restarts_total") == 0.0
        await one.send(work[3:])
        await one.begun("job-3-0")
        (engine,) = worker.engines
        os.kill(engine, signal.SIGSTOP)
        seen, generation = len(one.reports), one.reports[-1].generation
        await one.all_told(ids(work))
        assert {id: one.states()[id] for id in sorted(ids(work))} == {
            f"job-{n}-0": {"failed" if n == 3 else "succeeded"} for n in range(6)
        }
        assert [outcome.error.code for outcome in one.outcomes if outcome.error] == ["engine_hung"]
        assert set(one.copies().values()) == {1}
        since = one.reports[seen:]
        assert len(since) >= 4, "reports went on"
        assert {report.generation for report in since} == {generation}, "heartbeats went on: the hang outlasts the session"


def of(one: Pool, name: str) -> WorkerReport:
    """The last report of a worker."""
    return [report for report in one.reports if report.worker.startswith(f"{name}-")][-1]


def pauses(one: Pool, name: str, waiting: set[str]) -> list[float]:
    """Seconds that a worker had nothing to do before each run of these jobs, which had been waiting for it."""
    told = [outcome for outcome in one.outcomes if outcome.batch and outcome.batch.worker.startswith(f"{name}-")]
    runs = sorted((outcome.timings.started_at, outcome.timings.finished_at, outcome.id) for outcome in told if outcome.timings)
    return [after[0] - before[1] for before, after in pairwise(runs) if after[2] in waiting]


async def test_workers_that_join_leave_and_die_make_no_batch_of_another_run_twice_nor_wait(workers: Opened) -> None:
    async with workers({"base_s": 3.0}) as one:
        work = batches(4, 1, steps=STEPS)
        own = [batch(f"own-{n}", [queued(f"own-{n}", steps=STEPS)]) for n in range(3)]
        first = await one.start(name="first")
        await one.at_work(1)
        await one.send(work)
        await one.send(own, partition=0)
        await one.begun("job-0-0")
        second = await one.start(name="second")
        await one.at_work(2)
        third = await one.start(name="third")
        await one.at_work(3)
        third.kill(signal.SIGTERM)
        assert await third.ended() == 0
        await one.at_work(2)
        theirs = {f"job-{partition}-0" for partition in of(one, "second").positions}
        second.kill()
        await one.all_told(ids(work) | ids(own))
        again = {id for id, count in (one.starts() + one.copies()).items() if count > 2}
        assert again <= theirs
        assert first.process.returncode is None
        held_up = pauses(one, "first", ids(own))
        assert held_up
        assert max(held_up) < 1.0, "none of the rebalances, of which the last takes a session, kept it from its work"


async def test_a_worker_that_lost_its_partitions_tells_nothing_of_its_batch(workers: Opened, tmp_path: Path) -> None:
    async with workers({"base_s": 8.0}, partitions=1) as one:
        work = batches(1, 2, steps=400)
        await one.send(work)
        zombie = await one.start()
        await one.begun("job-0-0")
        name = one.reports[-1].worker
        for pid in (zombie.pid, *zombie.engines):
            os.kill(pid, signal.SIGSTOP)
        await one.start()
        await eventually(lambda: one.starts()["job-0-0"] == 2, within=START, what="the second worker at the batch")
        for pid in (*zombie.engines, zombie.pid):
            os.kill(pid, signal.SIGCONT)
        await one.all_told(ids(work))
        await one.all_seen()
        assert set(one.copies().values()) == {1}
        assert name not in {outcome.batch.worker for outcome in one.outcomes if outcome.batch}
        assert len(list((tmp_path / "objects").rglob("*.png"))) == 2


async def test_a_record_that_is_no_batch_is_answered_and_does_not_block_its_partition(workers: Opened) -> None:
    async with workers(partitions=1) as one:
        good = batches(2, 2)
        bad = [b"\xff\xfe not a batch", b"", b'{"jobs": 7}', encode(batch("e", [])), b'{"jobs":[{"id":"lost","tenant":"t"}]}']
        await one.send([good[0], *bad, good[1]], partition=0)
        await one.start()
        await one.all_told(ids(good) | {"lost"})
        await all_committed(one, 7)
        assert one.states()["lost"] == {"failed"}
        silent = [outcome for outcome in one.outcomes if outcome.silent]
        assert len(silent) == 3
        assert len({outcome.source for outcome in silent}) == 3


async def test_a_cancelled_job_stops_at_its_next_step_and_its_neighbour_finishes(workers: Opened) -> None:
    async with workers(LONG, partitions=1) as one:
        work = [batch("b", [queued("stay", steps=STEPS), queued("go", steps=STEPS), queued("go", tenant="other", steps=STEPS)])]
        await one.start()
        await one.at_work()
        await one.send(work)
        await one.begun("go")
        async with Publisher(one.bootstrap) as publisher:
            order = Control(id="go", tenant="t", action="cancel")
            await publisher.publish([Record(one.topics.control, b"go", encode(order))])
        await eventually(lambda: "go" in one.states(), within=3.0, what="the end of the cancelled job")
        assert one.outcomes[0].tenant == "t"
        assert one.outcomes[0].state == "cancelled"
        await one.all_told({"stay", "go"})
        await eventually(lambda: len(one.outcomes) == 3, what="the other tenant's job of the same name")
        assert {outcome.state for outcome in one.outcomes if outcome.tenant == "other"} == {"succeeded"}


async def test_a_job_past_its_deadline_expires_without_running(workers: Opened) -> None:
    async with workers(partitions=1) as one:
        await one.send([batch("b", [queued("late", deadline=1.0), queued("timely")])])
        await one.start()
        await one.all_told({"late", "timely"})
        assert one.states() == {"late": {"expired"}, "timely": {"succeeded"}}
        assert "late" not in one.starts()


async def test_a_tenant_starts_from_its_own_objects_and_no_one_elses(workers: Opened) -> None:
    async with workers(partitions=1) as one:
        await one.send(batches(1, 1))
        await one.start()
        await one.all_told({"job-0-0"})
        key = one.outcomes[0].outputs[0].key
        wanted = {"own": ("t", key), "others": ("thief", key), "outside": ("t", "t/../../x"), "url": ("t", "http://127.0.0.1/")}
        await one.send([batch("i", [queued(name, tenant=whose, image=image) for name, (whose, image) in wanted.items()])], 0)
        await one.all_told(set(wanted))
        assert {name: one.states()[name] for name in wanted} == {
            "own": {"succeeded"}, "others": {"failed"}, "outside": {"failed"}, "url": {"failed"},
        }  # fmt: skip
        assert not any(outcome.error.retryable for outcome in one.outcomes if outcome.error)


async def test_progress_is_told_and_no_prompt_is_in_any_log(workers: Opened) -> None:
    async with workers(LONG, partitions=1) as one:
        await one.send([b"secret prompt", *batches(1, 2, steps=STEPS)])
        worker = await one.start(grace_s=20.0)
        await one.all_told({"job-0-0"})
        steps = [status.step for status in one.statuses if status.id == "job-0-0"]
        assert steps[0] == 0
        assert steps == sorted(steps, key=int)
        assert 4 <= len(steps) <= 10, "about two a second for four seconds"
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
        log = worker.log.read_text()
        assert "worker left" in log
        assert "secret" not in log


async def test_a_killed_worker_leaves_no_engine_process_behind(workers: Opened) -> None:
    async with workers(LONG, partitions=1) as one:
        await one.send(batches(1, 1, steps=STEPS))
        worker = await one.start()
        await one.begun("job-0-0")
        (engine,) = worker.engines
        worker.kill()
        await worker.ended()

        def gone() -> bool:
            try:
                os.kill(engine, 0)
            except ProcessLookupError:
                return True
            return False

        await eventually(gone, within=5.0, what="the end of the engine process")
