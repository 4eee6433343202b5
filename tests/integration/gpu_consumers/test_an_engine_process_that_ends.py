"""Engine processes that are killed, crash, hang, grow or lose their parent: who is charged, and what comes after."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from engines.noop import MIB
from gpu_consumers.leak import Bounds
from tests.support.engine_process import HARMFUL, LONG, engine, order
from tests.support.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


async def test_killing_the_engine_costs_the_running_batch_one_attempt_and_the_ready_one_nothing() -> None:
    async with engine() as (process, seen):
        process.run(order(1, 2, **LONG))
        process.run(order(2, 2))
        await eventually(lambda: seen.begun(1))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await eventually(lambda: seen.over(2))
        assert seen.losses == [(1, "engine_crashed")]
        assert seen.made(2) == [0, 1]
        assert not seen.made(1)
        assert process.restarts == 1


async def test_a_run_whose_outputs_are_still_encoded_is_not_charged_with_what_the_next_one_does() -> None:
    async with engine(command=HARMFUL) as (process, seen):
        for run in (1, 3):
            process.run(order(run, 1, steps=1, prompt="harmless"))
            process.run(order(run + 1, 1, prompt="segfault"))
            await eventually(lambda: seen.over(run) and len(seen.losses) == (run + 1) // 2, within=60.0)  # noqa: B023
        assert seen.losses == [(2, "engine_crashed"), (4, "engine_crashed")]
        assert (seen.made(1), seen.made(3)) == ([0], [0])


async def test_an_engine_that_breaks_down_tells_who_was_in_it() -> None:
    async with engine(command=HARMFUL) as (process, seen):
        process.run(order(1, 3, prompt="broken"))
        await eventually(lambda: seen.over(1))
        (told,) = [one for one in seen.tellings if one.unmade]
        assert [(one.place, one.code, one.lost) for one in told.unmade] == [(n, "engine_broken", True) for n in range(3)]
        assert not seen.losses


async def test_an_engine_that_the_kernel_killed_for_memory_is_told_apart_from_one_that_crashed() -> None:
    kills = 7
    async with engine(oom_kills=lambda: kills) as (process, seen):
        for run in (1, 2):
            process.run(order(run, 2, **LONG))
            await eventually(lambda: seen.begun(run))  # noqa: B023
            kills += run - 1
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            await eventually(lambda: len(seen.losses) == run)  # noqa: B023
        assert seen.losses == [(1, "engine_crashed"), (2, "out_of_memory")]


async def test_an_engine_that_takes_no_step_is_killed_and_its_batch_charged() -> None:
    async with engine(hang_s=2.0) as (process, seen):
        process.run(order(1, 1, **LONG))
        process.run(order(2, 1))
        await eventually(lambda: seen.begun(1))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        await eventually(lambda: seen.over(2))
        assert seen.losses == [(1, "engine_hung")]


async def test_an_engine_that_leaks_is_replaced_between_batches_and_nobody_is_charged() -> None:
    async with engine(bounds=Bounds(growth_mb=100)) as (process, seen):
        first, runs = process.pid, range(1, 9)
        for run in runs:
            process.run(order(run, 2, leak_mb=20))
        await eventually(lambda: seen.over(8))
        assert [seen.made(run) for run in runs] == [[0, 1]] * 8
        assert [one.run for one in seen.starts] == list(runs), "each ran once"
        assert not seen.losses
        assert (process.recycled, process.restarts) == (2, 0)  # 40 MiB a batch: after the fourth and the eighth
        await eventually(lambda: process.ready and process.pid != first, what="the fresh process")


async def test_an_engine_process_that_ended_is_followed_by_one_that_holds_the_same_model() -> None:
    async with engine() as (process, seen):
        run = order(1, 1, device_mb=100, model_mb=40)
        process.run(run)
        await eventually(lambda: seen.over(1))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await eventually(lambda: process.restarts == 1 and process.ready)
        assert process.loaded == [run.model]
        assert process.memory == (100 * MIB, 40 * MIB, 40 * MIB)
        assert not seen.losses


async def test_a_process_that_ends_while_it_is_warmed_charges_nobody_and_the_next_one_is_not_warmed(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    async with engine(command=HARMFUL) as (process, seen):
        process.run(order(1, 1, prompt="harmless", harm_loading=str(trap)))
        await eventually(lambda: seen.over(1))
        trap.touch()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await eventually(lambda: process.restarts == 2 and process.ready)
        assert not process.loaded
        process.run(order(2, 1, prompt="harmless"))
        await eventually(lambda: seen.over(2))
        assert (seen.losses, seen.made(2)) == ([], [0])


async def test_a_slow_step_is_no_hang_as_long_as_steps_come() -> None:
    async with engine(hang_s=4.0) as (process, seen):
        process.run(order(1, 1, steps=60, base_s=6.0))
        await eventually(lambda: seen.over(1))
        assert seen.made(1) == [0]
        assert not seen.losses


async def test_an_idle_engine_is_left_in_peace() -> None:
    async with engine(hang_s=3.0) as (process, seen):
        pid = process.pid
        process.run(order(1, 1))
        await eventually(lambda: seen.over(1))
        await asyncio.sleep(4.0)  # longer than a run may be silent: that nothing happens is what is waited for
        assert process.pid == pid


PARENT = """
import asyncio, sys
sys.path.insert(0, {root!r})
from tests.support.engine_process import LONG, Witness, order
from gpu_consumers.engine import EngineProcess
async def main():
    process = EngineProcess(Witness(), hang_s=60.0)
    serving = asyncio.create_task(process.serve())
    while not process.ready:
        await asyncio.sleep(0.02)
    process.run(order(1, 1, **LONG))
    print(process.pid, flush=True)
    await serving
asyncio.run(main())
"""


async def test_the_engine_process_dies_with_its_parent() -> None:
    root = os.fspath(__import__("pathlib").Path(__file__).resolve().parents[3])
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT.format(root=root), stdout=asyncio.subprocess.PIPE, cwd=root
    )
    assert parent.stdout is not None
    child = psutil.Process(int(await asyncio.wait_for(parent.stdout.readline(), 120)))
    parent.kill()
    await parent.wait()
    await eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, within=5.0)
