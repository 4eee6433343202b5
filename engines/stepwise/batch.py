"""The running batch: latents of all its pictures in one array, and how they spread over rows.

A row is a picture × a guidance branch. Rows are ordered: every picture's prompt, then the unconditional branch of
those that are guided, then padding. Everything here but the latents changes only when a request joins or leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engines.roster import Seat
from engines.samplers import Table
from engines.stepwise.backend import Array, Backend, Conditioning

COEFFICIENTS = 7
"""scale, p, q, a, b, c, d: see engines.samplers.table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One request in the batch."""

    seat: Seat
    table: Table
    text: Conditioning
    against: Conditioning | None
    """Embeddings of the negative prompt; None when guidance is off."""

    @property
    def pictures(self) -> int:
        return self.seat.request.count


class Batch:
    """Members and their latents. ``x`` and ``before`` (the sampler's m₁) have one entry a picture."""

    def __init__(self, backend: Backend, members: Sequence[Member], x: Array, before: Array, buckets: Sequence[int] = ()) -> None:
        self.members = list(members)
        self.x = x
        self.before = before
        self._owners = [member for member in members for _ in range(member.pictures)]
        guided = [i for i, owner in enumerate(self._owners) if owner.against is not None]
        self.size = len(self._owners)
        self.rows = self.size + len(guided)
        padding = [self.size - 1] * (padded(self.rows, buckets) - self.rows)
        self.sources = [*range(self.size), *guided, *padding]
        self.opposites = list(range(self.size))
        for row, picture in enumerate(guided, start=self.size):
            self.opposites[picture] = row
        self.conditioning = self._conditioning(backend, guided, len(padding))
        self.guidance = backend.array(self._column([member.seat.request.guidance for member in self._owners]))

    def _conditioning(self, backend: Backend, guided: list[int], padding: int) -> Conditioning:
        parts = [owner.text for owner in self._owners]
        parts += [against for i in guided if (against := self._owners[i].against) is not None]
        parts += [self._owners[-1].text] * padding
        return {name: backend.stack([part[name] for part in parts]) for name in parts[0]}

    def timesteps(self) -> npt.NDArray[np.float32]:
        """The model's time for each row, padding included."""
        times = [owner.table.timestep[owner.seat.done] for owner in self._owners]
        return np.array([times[source] for source in self.sources], dtype=np.float32)

    def coefficients(self) -> npt.NDArray[np.float32]:
        """This step's table rows, COEFFICIENTS × pictures × 1 × 1 × 1."""
        rows = [owner.table.row(owner.seat.done) for owner in self._owners]
        return np.array(rows, dtype=np.float32).T.reshape(COEFFICIENTS, -1, 1, 1, 1)

    def pictures_of(self, member: Member) -> range:
        """Where a member's pictures are in the arrays."""
        start = 0
        for other in self.members:
            if other is member:
                break
            start += other.pictures
        return range(start, start + member.pictures)

    def seeds(self) -> list[int]:
        """A seed for each picture."""
        return [member.seat.request.seed + i for member in self.members for i in range(member.pictures)]

    @staticmethod
    def _column(values: list[float]) -> npt.NDArray[np.float32]:
        return np.array(values, dtype=np.float32).reshape(-1, 1, 1, 1)


def padded(rows: int, buckets: Sequence[int]) -> int:
    """The smallest bucket that holds these rows; the rows themselves when none does or there are no buckets."""
    return min((bucket for bucket in buckets if bucket >= rows), default=rows)
