"""How long a run takes in its engine, for those who predict the next ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from engines import Engine
from gpu_consumers.frames import Timed
from gpu_consumers.shelf import Taken

T = TypeVar("T")


class Stopwatch:
    """Times one run. Waiting for something else than the engine, such as for room to encode, does not count."""

    def __init__(self, engine: Engine, taken: Taken, places: Sequence[int]) -> None:
        self._engine, self._taken, self._places = engine, taken, list(places)
        self._seconds = 0.0
        self._spoilt = not places
        self.memory = engine.memory()
        """Of the device before the run; the peak is this run's from here on."""

    def step(self, step: Callable[[], T]) -> T:
        """Take a step on the clock."""
        began = time.perf_counter()
        try:
            return step()
        finally:
            self._seconds += time.perf_counter() - began

    def spoil(self, *, spoilt: bool) -> None:
        """Not all jobs take all their steps together: others would not be like this run."""
        self._spoilt = self._spoilt or spoilt

    def read(self) -> Timed | None:
        """What it took; None if that says nothing of other runs."""
        if self._spoilt:
            return None
        memory, model = self._engine.memory(), self._taken.model_bytes
        above = None if memory is None or self.memory is None else max(0, memory.peak - self.memory.used)
        return Timed(
            places=self._places,
            seconds=self._seconds,
            load_s=self._taken.load_s,
            cold=self._taken.cold,
            device=self._engine.info.device,
            # Of other models that are held nothing: they may be gone the next time, and others there.
            memory_bytes=None if above is None or model is None else model + above,
            model_bytes=model,
        )
