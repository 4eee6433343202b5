"""Jobs on real queues reach real workers' partitions, once each, whoever dies."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.codec import Decoder, encode
from contracts.events import Control
from contracts.records import Record
from contracts.work import LearnedCost, Outcome, Ran
from streams.chunks import STUCK_EXIT_STATUS
from tests.support.eventually import eventually
from tests.support.reporting_worker import ReportingWorker
from tests.support.schedulers import SchedulerProcess, members, queue, ran, system

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from infra.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

outcome_of = Decoder(Outcome)
learned_of = Decoder(LearnedCost)


async def test_queued_jobs_reach_a_worker_once_in_batches(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    ids = [f"job-{number}" for number in range(300)]
    async with system(bootstrap, topic_prefix, tmp_path) as (settings, scheduler, publisher):
        await queue(publisher, settings, ids)
        process = await scheduler()
        async with ReportingWorker(bootstrap, settings.topics) as worker:
            await eventually(lambda: len(worker.ran) == len(ids), what="all jobs ran")
            assert set(ran([worker]).values()) == {1}
            assert max(len(batch.jobs) for batch in worker.batches) == 256
            sources = [source for batch in worker.batches for source in batch.sources]
            assert sorted(sources) == [("ordinary", offset) for offset in range(300)]
        assert await process.stop() == 0


async def test_a_job_is_dispatched_while_others_of_its_tier_cannot_run(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    async with system(bootstrap, topic_prefix, tmp_path, window_jobs=10) as (settings, scheduler, publisher):
        await queue(publisher, settings, [f"stuck-{number}" for number in range(30)], model="absent@1", tier="ordinary")
        await queue(publisher, settings, ["free"], tier="paid")
        await scheduler()
        async with ReportingWorker(bootstrap, settings.topics) as worker:
            await eventually(lambda: worker.ran[("free", 1)], what="the tier with room went on")


async def test_what_expires_and_what_is_cancelled_never_runs(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    async with system(bootstrap, topic_prefix, tmp_path) as (settings, scheduler, publisher):
        process = await scheduler()
        await process.scheduling()
        await queue(publisher, settings, ["late"], deadline=time.time() + 0.5)
        await queue(publisher, settings, ["dropped"])
        cancel = Control(id="dropped", tenant="acme", action="cancel")
        await publisher.publish([Record(settings.topics.control, b"dropped", encode(cancel))])
        outcome = await first_outcome(bootstrap, settings)
        assert (outcome.id, outcome.state) == ("late", "expired")
        await queue(publisher, settings, ["last"])
        async with ReportingWorker(bootstrap, settings.topics) as worker:
            await eventually(lambda: worker.ran[("last", 1)], what="the job that is left ran")
            assert dict(ran([worker])) == {"last": 1}


async def first_outcome(bootstrap: str, settings: Settings) -> Outcome:
    consumer = AIOKafkaConsumer(settings.topics.outcomes, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        record = await asyncio.wait_for(consumer.getone(), 30)
        return outcome_of(record.value)
    finally:
        await consumer.stop()


async def test_a_record_that_is_no_job_ends_as_a_dead_letter_and_blocks_nobody(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    async with system(bootstrap, topic_prefix, tmp_path) as (settings, scheduler, publisher):
        await publisher.publish([Record(settings.topics.queue("default", "paid"), b"x", b'{"id":')])
        await queue(publisher, settings, ["fine"], tier="paid")
        await scheduler()
        async with ReportingWorker(bootstrap, settings.topics) as worker:
            await eventually(lambda: worker.ran[("fine", 1)], what="the job behind it ran")
        outcome = await first_outcome(bootstrap, settings)
        assert outcome.silent
        assert outcome.dead
        assert outcome.dead.body == '{"id":'


async def test_two_workers_share_and_the_one_left_goes_on(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    ids = [f"job-{number}" for number in range(60)]
    async with system(bootstrap, topic_prefix, tmp_path) as (settings, scheduler, publisher):
        await scheduler()
        topics = settings.topics
        async with ReportingWorker(bootstrap, topics, run_s=0.02) as one:
            await queue(publisher, settings, ids[:20])
            await eventually(lambda: len(one.ran) == 20, what="the first ran the first jobs")
            async with ReportingWorker(bootstrap, topics, run_s=0.02) as two:
                await eventually(lambda: bool(two._consumer.assignment()), what="the second owns partitions")
                for one_id in ids[20:40]:
                    await queue(publisher, settings, [one_id], batch_key=f"noop@1/{one_id}")
                await eventually(lambda: len(ran([one, two])) == 40, what="both together ran the next jobs")
                assert two.ran
            await queue(publisher, settings, ids[40:])
            await eventually(lambda: len(ran([one, two])) == 60, what="the first ran the last jobs")
            assert set(ran([one, two]).values()) == {1}


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=[pytest.mark.chaos, pytest.mark.timeout(1800)])])
async def test_killed_schedulers_dispatch_every_job_once(bootstrap: str, topic_prefix: str, tmp_path: Path, kills: int) -> None:
    async with system(bootstrap, topic_prefix, tmp_path, window_jobs=200) as (settings, scheduler, publisher):
        feeding = asyncio.Event()
        sent: list[str] = []

        async def feed() -> None:
            while not feeding.is_set():
                ids = [f"job-{len(sent) + number}" for number in range(10)]
                sent.extend(ids)
                for position, one in enumerate(ids):
                    tier = ("paid", "urgent", "ordinary")[position % 3]
                    await queue(publisher, settings, [one], tier=tier, batch_key=f"noop@1/{position % 4}")
                await asyncio.sleep(0.05)

        feeder = asyncio.ensure_future(feed())
        async with ReportingWorker(bootstrap, settings.topics, run_s=0.01) as worker:
            for _ in range(kills):
                process = await scheduler()
                await process.scheduling()
                before = len(worker.ran)
                await eventually(lambda: len(worker.ran) > before + 50, what="the new scheduler dispatched")  # noqa: B023
                await process.kill()
            last = await scheduler()
            feeding.set()
            await feeder
            await eventually(lambda: len(worker.ran) == len(sent), within=60, what="all jobs ran")
            assert [one for one, times in ran([worker]).items() if times > 1] == []
            assert await last.stop() == 0


def measured(runs: int) -> list[Ran]:
    """Runs of one job that all took 7 seconds, and 100 MB on top of the model."""
    run = Ran(
        key="noop@1/8", model="noop@1", engine="noop", device="cpu", pixels=64, rows=1, steps=4, row_steps=4, seconds=7.0,
        memory_bytes=600_000_000, model_bytes=500_000_000,
    )  # fmt: skip
    return [run] * runs


async def learned(bootstrap: str, settings: Settings) -> LearnedCost | None:
    """What the last record says that is known of the runs."""
    async with asking(bootstrap, "") as consumer:
        place = TopicPartition(settings.topics.costs, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end, last = (await consumer.end_offsets([place]))[place], None
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                last = learned_of(records[-1].value)
        return last


async def knows(bootstrap: str, settings: Settings, *, runs: int) -> bool:
    found = await learned(bootstrap, settings)
    return found is not None and found.runs == runs and {one.seconds for one in found.measured} == {7.0}


async def ends(bootstrap: str, settings: Settings) -> int:
    place = TopicPartition(settings.topics.workers, 0)
    async with asking(bootstrap, "") as consumer:
        end: int = (await consumer.end_offsets([place]))[place]
        return end


async def reports_done(settings: Settings, count: int) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(settings.topics.group("streams"))
    finally:
        await admin.close()
    at = offsets.get(TopicPartition(settings.topics.workers, 0))
    return at is not None and at.offset >= count


async def test_a_standby_goes_on_within_the_session_timeout_and_with_what_was_learned(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    opened = system(bootstrap, topic_prefix, tmp_path)
    async with opened as (settings, scheduler, publisher), ReportingWorker(bootstrap, settings.topics) as worker:
        active = await scheduler()
        await active.scheduling()
        await queue(publisher, settings, ["first"])
        await eventually(lambda: worker.ran[("first", 1)], what="the active one dispatched")
        standby = await scheduler()
        await queue(publisher, settings, ["second"])
        await eventually(lambda: worker.ran[("second", 1)], what="dispatching survived the join")
        await eventually(lambda: two_members(settings), what="both are members")
        victim = await acting(active, standby)
        worker.measured = measured(20)
        await eventually(lambda: knows(bootstrap, settings, runs=20), what="what the runs took is written down")
        reports = await ends(bootstrap, settings)
        # Else the successor may be told of them again, and learn from them without knowing what was written.
        await eventually(lambda: reports_done(settings, reports), what="the reports of it are done with")
        await queue(publisher, settings, ["third"], not_before=time.time() + 0.2)
        await victim.kill()
        killed = time.monotonic()
        await eventually(lambda: worker.ran[("third", 1)], what="the standby dispatched")
        assert time.monotonic() - killed < settings.kafka.session_timeout_s + 10
        worker.measured = measured(10)
        await eventually(lambda: knows(bootstrap, settings, runs=30), what="the standby knew of the runs before its time")
        worker.memory_bytes, before = 750_000_000, len(worker.batches)
        reports = await ends(bootstrap, settings)
        await eventually(lambda: reports_done(settings, reports + 2), what="the worker said what memory it has")
        ids = [f"later-{number}" for number in range(6)]
        await queue(publisher, settings, ids, batch_key="noop@1/8", not_before=time.time() + 0.2)
        await eventually(lambda: all(worker.ran[(one, 1)] for one in ids), what="all of them ran")
        assert [len(batch.jobs) for batch in worker.batches[before:]] == [2, 2, 2]
        assert set(ran([worker]).values()) == {1}


async def test_a_scheduler_that_stood_still_gives_up_instead_of_dispatching_again(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    async with system(bootstrap, topic_prefix, tmp_path) as (settings, scheduler, publisher):
        frozen = await scheduler()
        await frozen.scheduling()
        await queue(publisher, settings, ["held"])
        await eventually(lambda: lag_is(bootstrap, settings, 1), what="the job is on its queue")
        frozen.freeze()
        standby = await scheduler()
        await standby.scheduling()
        async with ReportingWorker(bootstrap, settings.topics) as worker:
            await eventually(lambda: worker.ran[("held", 1)], what="the standby dispatched")
            frozen.thaw()
            assert await frozen.ended() == STUCK_EXIT_STATUS
            await queue(publisher, settings, ["next"])
            await eventually(lambda: worker.ran[("next", 1)], what="the standby goes on")
            assert set(ran([worker]).values()) == {1}


async def test_one_job_that_nobody_can_run_does_not_hold_back_what_is_committed(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    opened = system(bootstrap, topic_prefix, tmp_path)
    async with opened as (settings, scheduler, publisher), ReportingWorker(bootstrap, settings.topics) as worker:
        await scheduler()
        await queue(publisher, settings, ["absent"], model="absent@1")
        await queue(publisher, settings, ["job-1"])
        await eventually(lambda: worker.ran[("job-1", 1)], what="the job behind it ran")
        await eventually(lambda: committed(bootstrap, settings, at_least=2), what="both offsets are committed")
        worker.models.append("absent@1")
        await eventually(lambda: worker.ran[("absent", 1)], what="it ran once somebody could")
        assert set(ran([worker]).values()) == {1}


@asynccontextmanager
async def asking(bootstrap: str, group: str) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def committed(bootstrap: str, settings: Settings, at_least: int) -> bool:
    queue_of = TopicPartition(settings.topics.queue("default", "ordinary"), 0)
    async with asking(bootstrap, settings.topics.group("streams")) as consumer:
        consumer.assign([queue_of])
        return (await consumer.committed(queue_of) or 0) >= at_least


async def lag_is(bootstrap: str, settings: Settings, records: int) -> bool:
    queue_of = TopicPartition(settings.topics.queue("default", "ordinary"), 0)
    async with asking(bootstrap, settings.topics.group("streams")) as consumer:
        consumer.assign([queue_of])
        ends = await consumer.end_offsets([queue_of])
        return bool(ends[queue_of] - (await consumer.committed(queue_of) or 0) == records)


async def two_members(settings: Settings) -> bool:
    return await members(settings) == 2


async def acting(active: SchedulerProcess, standby: SchedulerProcess) -> SchedulerProcess:
    """Whichever of the two took over when the second joined."""
    await eventually(lambda: active.takeovers() > 1 or standby.takeovers(), what="somebody took over after the join")
    return standby if standby.takeovers() else active
