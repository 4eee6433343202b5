"""The batch as members come and go."""

from __future__ import annotations

from collections.abc import Container, Sequence

from engines.base import Failed
from engines.errors import Poison
from engines.stepwise.backend import Array, Backend
from engines.stepwise.batch import Batch, Member

Start = tuple[Member, Array]
"""A member and its first latents."""


class Running:
    """Holds the batch; None when nobody is in it."""

    def __init__(self, backend: Backend, buckets: Sequence[int]) -> None:
        self.batch: Batch | None = None
        self._backend = backend
        self._buckets = buckets

    def enlarge(self, starts: Sequence[Start]) -> None:
        """Put newcomers behind those who are there."""
        if not starts:
            return
        members = [member for member, _ in starts]
        x = self._backend.stack([start for _, start in starts])
        before = x * 0.0
        if self.batch is not None:
            members = [*self.batch.members, *members]
            x, before = self._backend.stack([self.batch.x, x]), self._backend.stack([self.batch.before, before])
        self.batch = Batch(self._backend, members, x, before, self._buckets)

    def keep(self, request_ids: Container[str]) -> None:
        """Let everyone else go."""
        batch = self.batch
        if batch is None:
            return
        members = [member for member in batch.members if member.seat.request.id in request_ids]
        if len(members) == len(batch.members):
            return
        if not members:
            self.batch = None
            return
        rows = [i for member in members for i in batch.pictures_of(member)]
        x, before = (self._backend.take(array, rows) for array in (batch.x, batch.before))
        self.batch = Batch(self._backend, members, x, before, self._buckets)


def poisoned(backend: Backend, batch: Batch) -> list[Failed]:
    """Members whose latents are no longer numbers. Rows never mix, so nobody else is touched."""
    fine = backend.finite(batch.x)
    ids = [m.seat.request.id for m in batch.members if not all(fine[i] for i in batch.pictures_of(m))]
    return [Failed(request_id=key, error=Poison(key, "the latents are not finite")) for key in ids]
