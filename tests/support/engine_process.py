"""An engine process on its own, and all that it tells."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from gpu_consumers.engine import EngineProcess
from gpu_consumers.frames import Run, Started, Stepped, Task, Through, Timed, Told
from tests.support.eventually import eventually


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
