"""The runs that a worker measured, for its next report."""

from __future__ import annotations

from collections import deque

from contracts.work import Ran
from gpu_consumers.flight import Flight
from gpu_consumers.frames import Timed

KEPT = 256
"""Runs that wait for a report. What does not fit is no loss: others like it follow."""


class Runs:
    """Runs since the last report."""

    def __init__(self, device: str = "") -> None:
        self._runs: deque[Ran] = deque(maxlen=KEPT)
        self._named = device
        self.device = device
        """Class of the device that the last one was on."""

    def note(self, flight: Flight, timed: Timed) -> None:
        """A run is over."""
        batch, asked = flight.batch, [flight.entries[place].queued.resolved for place in timed.places]
        self.device = self._named or timed.device
        self._runs.append(
            Ran(
                key=batch.key,
                model=batch.model,
                engine=batch.engine,
                device=self.device,
                pixels=asked[0].width * asked[0].height,
                rows=sum(one.rows for one in asked),
                steps=max(one.steps for one in asked),
                row_steps=sum(one.rows * one.steps for one in asked),
                seconds=round(timed.seconds, 6),
                load_s=round(timed.load_s, 6),
                cold=timed.cold,
                memory_bytes=timed.memory_bytes,
                model_bytes=timed.model_bytes,
            )
        )

    def take(self) -> list[Ran]:
        """Those not reported yet."""
        runs = list(self._runs)
        self._runs.clear()
        return runs
