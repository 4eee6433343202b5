"""What the engine process and its parent say to each other, without Kafka."""

from __future__ import annotations

import pytest

from engines.noop import MIB
from tests.support.engine_process import HARMFUL, LONG, engine, order
from tests.support.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


async def test_runs_are_done_in_order_and_every_job_is_told_of_with_its_files() -> None:
    async with engine() as (process, seen):
        process.run(order(1, 3))
        process.run(order(2, 2))
        await eventually(lambda: seen.over(2))
        assert (seen.made(1), seen.made(2)) == ([0, 1, 2], [0, 1])
        assert [one.run for one in seen.starts] == [1, 2]
        first = seen.tellings[0].made[0]
        assert [file.seed for file in first.files] == [7, 8]
        assert all(file.body.startswith(b"\x89PNG") for file in first.files)
        assert process.loaded == ["noop{}@1"]


async def test_runs_are_timed_and_the_first_after_loading_is_told_apart() -> None:
    async with engine() as (process, seen):
        for run in (1, 2):
            process.run(order(run, 3, base_s=0.25, device_mb=100, model_mb=40, row_mb=5))
        await eventually(lambda: seen.over(2))
        first, second = seen.timed[1], seen.timed[2]
        assert first is not None
        assert second is not None
        assert first.load_s > 0
        assert first.cold
        assert (second.load_s, second.cold, second.places) == (0.0, False, [0, 1, 2])
        assert (second.memory_bytes, second.model_bytes) == (70 * MIB, 40 * MIB)
        assert process.memory == (100 * MIB, 40 * MIB, 40 * MIB)
        assert 0.25 <= second.seconds < 2.5


async def test_a_run_in_which_a_job_failed_or_was_left_out_says_nothing_of_others() -> None:
    async with engine(command=HARMFUL) as (process, seen):
        process.run(order(1, 2, prompt="poison"))
        process.run(order(2, 4, prompt="room"))
        await eventually(lambda: seen.over(2))
        assert seen.timed == {1: None, 2: None}
    async with engine() as (process, seen):
        process.run(order(1, 3, **LONG))
        await eventually(lambda: seen.begun(1))
        process.drop(1, [0])
        process.drop(1, [1])
        await eventually(lambda: seen.unmade(1) == {0: "cancelled", 1: "cancelled"})
        process.drop(1, [2])
        await eventually(lambda: seen.over(1))
        assert seen.timed == {1: None}


async def test_a_long_run_tells_how_far_it_is() -> None:
    async with engine() as (process, seen):
        process.run(order(1, 1, **LONG))
        await eventually(lambda: len(seen.steps) >= 3)
        done = [one.steps[0][1] for one in seen.steps]
        assert done == sorted(done)
        assert seen.steps[0].steps[0][2] == 3000


async def test_a_cancelled_job_leaves_within_a_step_and_its_neighbour_goes_on() -> None:
    async with engine() as (process, seen):
        process.run(order(1, 2, **LONG))
        await eventually(lambda: seen.begun(1))
        process.drop(1, [1])
        await eventually(lambda: seen.unmade(1) == {1: "cancelled"}, within=5.0)
        assert not seen.over(1)


async def test_a_job_cancelled_before_its_batch_starts_is_not_run() -> None:
    async with engine() as (process, seen):
        process.run(order(1, 1, steps=8, base_s=0.5))
        process.run(order(2, 2))
        process.drop(2, [0])
        await eventually(lambda: seen.over(2))
        assert seen.unmade(2) == {0: "cancelled"}
        assert seen.made(2) == [1]


async def test_an_aborted_run_stops_within_a_step_and_nothing_more_is_told_of_its_jobs() -> None:
    async with engine() as (process, seen):
        process.run(order(1, 2, **LONG))
        await eventually(lambda: seen.begun(1))
        process.abort(1)
        process.run(order(2, 1))
        await eventually(lambda: seen.over(2), within=10.0)
        assert not seen.made(1)
        assert not seen.unmade(1)


async def test_jobs_past_their_deadline_expire_without_running() -> None:
    async with engine() as (process, seen):
        process.run(order(1, 2, deadline=1.0))
        await eventually(lambda: seen.over(1))
        assert seen.unmade(1) == {0: "expired", 1: "expired"}
        assert not seen.begun(1)


async def test_a_model_that_cannot_be_loaded_fails_its_batch_and_not_the_process() -> None:
    async with engine() as (process, seen):
        pid = process.pid
        process.run(order(1, 1, engine="no-such-engine"))
        process.run(order(2, 1, nonsense=1))
        process.run(order(3, 1))
        await eventually(lambda: seen.over(3))
        assert (seen.unmade(1), seen.unmade(2), seen.made(3)) == ({0: "failed"}, {0: "failed"}, [0])
        assert process.pid == pid
        assert all(one.retryable for told in seen.tellings for one in told.unmade)
