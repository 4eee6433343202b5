"""The engine process and its parent, without Kafka."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from gpu_consumers.engine import EngineProcess
from gpu_consumers.frames import Run, Started, Stepped, Task, Through, Timed, Told
from gpu_consumers.leak import Bounds
from tests.support.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@dataclass
class Witness:
    """Implements gpu_consumers.engine.Listener by writing everything down."""

    starts: list[Started] = field(default_factory=list)
    steps: list[Stepped] = field(default_factory=list)
    tellings: list[Told] = field(default_factory=list)
    losses: list[tuple[int, str]] = field(default_factory=list)
    timed: dict[int, Timed | None] = field(default_factory=dict)

    def started(self, report: Started) -> None:
        self.starts.append(report)

    def stepped(self, report: Stepped) -> None:
        self.steps.append(report)

    def told(self, report: Told) -> None:
        self.tellings.append(report)

    def through(self, report: Through) -> None:
        self.timed[report.run] = report.timed

    def lost(self, run: int, code: str) -> None:
        self.losses.append((run, code))

    def changed(self) -> None:
        pass

    def made(self, run: int) -> list[int]:
        return sorted(one.place for told in self.tellings if told.run == run for one in told.made)

    def unmade(self, run: int) -> dict[int, str]:
        return {one.place: one.state for told in self.tellings if told.run == run for one in told.unmade}

    def over(self, run: int) -> bool:
        return any(told.over for told in self.tellings if told.run == run)

    def begun(self, run: int) -> bool:
        return any(one.run == run for one in self.starts)


@asynccontextmanager
async def engine(hang_s: float = 60.0, **changes: Any) -> AsyncIterator[tuple[EngineProcess, Witness]]:
    witness = Witness()
    process = EngineProcess(witness, hang_s=hang_s, **changes)
    serving = asyncio.create_task(process.serve())
    try:
        await eventually(lambda: process.ready, within=120, what="the engine process is ready")
        yield process, witness
    finally:
        pid = process.pid
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        assert pid is None or not psutil.pid_exists(pid), "the engine process outlived its keeper"


def order(
    run: int,
    count: int,
    *,
    steps: int = 4,
    engine: str = "noop",
    deadline: float | None = None,
    prompt: str = "secret",
    **options: Any,
) -> Run:
    task = Task(
        task="text-to-image", prompt=prompt, negative_prompt="", width=64, height=64, steps=steps, guidance=1.0, seed=7,
        count=2, frames=1, fps=1, format="png", deadline=deadline,
    )  # fmt: skip
    return Run(run=run, model=f"noop{options}@1", engine=engine, path="", options=options, tasks=[task] * count)


HARMFUL = (sys.executable, "-m", "tests.support.harmful_child")
LONG: dict[str, Any] = {"steps": 3000, "base_s": 60.0}
"""A step each 20 ms for a minute."""


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
            process.run(order(run, 3, base_s=0.25))
        await eventually(lambda: seen.over(2))
        first, second = seen.timed[1], seen.timed[2]
        assert first is not None
        assert second is not None
        assert first.load_s > 0
        assert first.cold
        assert (second.load_s, second.cold, second.places, second.memory_bytes) == (0.0, False, [0, 1, 2], None)
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
        process.run(order(1, 1))
        await eventually(lambda: seen.over(1))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await eventually(lambda: process.restarts == 1 and process.ready)
        assert process.loaded == ["noop{}@1"]
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


PARENT = """
import asyncio, sys
sys.path.insert(0, {root!r})
from tests.integration.gpu_consumers.test_engine_process import LONG, Witness, order
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
