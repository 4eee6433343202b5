"""What running a batch really takes, in the simulator. The policies do not see it: they have the catalogue's table.

A step costs like on a real device: a floor that launching it takes however few rows there are, then time that grows with
rows and pixels (a roofline with a round knee). So batching gains much for small pictures and nothing for large ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from contracts.catalog import ModelSpec
from contracts.work import Resolved

KNEE = 4.0
"""How sharply the floor turns into the slope; at the knee a step takes 19 % more than either."""

ATTENTION = 1.15
"""A picture of twice the pixels takes 2 ** this as long: attention grows faster than pixels."""

JITTER = 0.04
"""A run takes up to this much longer than the table says. Never less: the bound may then rely on the table."""


class Model(Struct, frozen=True, kw_only=True):
    """A model as the catalogue has it, and what it really costs."""

    spec: ModelSpec
    floor_s: float
    """A step takes at least this, however small the batch."""
    row_s: float
    """A step of one row of the default size (a guidance branch is a row), when rows decide."""
    start_s: float = 0.02
    """Before the first step of a batch: prompts."""
    picture_s: float = 0.01
    """Decoding one picture or frame of the default size."""
    load_s: float = 20.0
    weights: int = 0
    """Memory that it takes with nothing running (bytes)."""
    batch_bytes: int = 0
    """On top, whatever the batch is."""
    row_bytes: int = 0
    """On top, for each row of the default size."""

    def memory(self, jobs: Sequence[Resolved]) -> int:
        """Of the device, at the peak of a batch of these."""
        one = jobs[0]
        pixels = one.width * one.height / (self.spec.width * self.spec.height)
        return self.weights + self.batch_bytes + int(self.row_bytes * pixels * sum(job.rows for job in jobs))

    def step_s(self, rows: int, resolved: Resolved) -> float:
        """One forward pass."""
        slope = self.row_s * bucket(rows) * resolved.frames * self._size(resolved)
        return float((self.floor_s**KNEE + slope**KNEE) ** (1 / KNEE))

    def decode_s(self, resolved: Resolved) -> float:
        """A job's pictures."""
        return self.picture_s * resolved.count * resolved.frames * self._size(resolved)

    def run(self, jobs: Sequence[Resolved]) -> list[float]:
        """When each of these jobs ends in one batch, in seconds from its start (the model is loaded)."""
        ends = [0.0] * len(jobs)
        at, done, rows = self.start_s, 0, sum(map(rows_of, jobs))
        for place in sorted(range(len(jobs)), key=lambda one: jobs[one].steps):
            job = jobs[place]
            at += (job.steps - done) * self.step_s(rows, job) + self.decode_s(job)
            ends[place], done, rows = at, job.steps, rows - rows_of(job)
        return ends

    def alone_s(self, job: Resolved) -> float:
        """One job by itself."""
        return self.run([job])[0]

    def _size(self, resolved: Resolved) -> float:
        return float((resolved.width * resolved.height / (self.spec.width * self.spec.height)) ** ATTENTION)


def rows_of(job: Resolved) -> int:
    """Rows of a job's forward pass: pictures times guidance branches. Frames are part of a row."""
    return job.count * (2 if job.guidance > 1 else 1)


def bucket(rows: int) -> int:
    """What the engine pads to: a power of two."""
    return 1 << (rows - 1).bit_length() if rows > 0 else 0


def row_steps(jobs: Sequence[Resolved]) -> tuple[int, int]:
    """Row-steps that were asked for, and that were computed with padding."""
    asked = padded = done = 0
    rows = sum(map(rows_of, jobs))
    for job in sorted(jobs, key=lambda one: one.steps):
        asked += (job.steps - done) * rows
        padded += (job.steps - done) * bucket(rows)
        done, rows = job.steps, rows - rows_of(job)
    return asked, padded
