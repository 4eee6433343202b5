"""A job store in this process's memory: for tests, and for a trial that may forget everything."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.events import State
from contracts.work import Verdict
from infra.jobstore.rules import Row, claimed, moved, taken
from streams.ports import Claim, Claimed, JobRow, Move, Note

Key = tuple[str, str]


class MemoryJobs:
    """Every call is atomic because none of them waits."""

    def __init__(self) -> None:
        self._rows: dict[Key, Row] = {}
        self._cancels: dict[Key, float] = {}
        self._rejections: dict[str, str] = {}

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """See `JobStore.claim`."""
        return [self._claim(one) for one in claims]

    def _claim(self, claim: Claim) -> Claimed:
        key = claim.tenant, claim.id
        ours = taken(self._rows.get(key), claim)
        if ours:
            self._rows[key] = ours
        return claimed(self._rows[key], claim, new=ours is not None, cancelled=key in self._cancels)

    async def cancel(self, jobs: Sequence[Key], at: float) -> list[State | None]:
        """See `JobStore.cancel`."""
        for key in jobs:
            if key not in self._rows:
                self._cancels[key] = at
        return [self._rows[key].state if key in self._rows else None for key in jobs]

    async def move(self, moves: Sequence[Move]) -> list[Verdict]:
        """See `JobStore.move`."""
        return [self._move(one) for one in moves]

    def _move(self, move: Move) -> Verdict:
        key = move.tenant, move.id
        verdict, row = moved(self._rows.get(key), move)
        if row is not None:
            self._rows[key] = row
        return verdict

    async def reject(self, notes: Sequence[Note]) -> list[Verdict]:
        """See `JobStore.reject`."""
        return [self._reject(one) for one in notes]

    def _reject(self, note: Note) -> Verdict:
        known = self._rejections.setdefault(note.rejected, "")
        if not known:
            self._rejections[note.rejected] = note.source
            return "won"
        return "again" if known == note.source else "late"

    async def get(self, tenant: str, id: str) -> JobRow | None:
        """See `JobStore.get`."""
        row = self._rows.get((tenant, id))
        return row.public() if row else None

    async def recent(self, tenant: str | None, state: State | None, limit: int) -> list[JobRow]:
        """See `JobStore.recent`."""
        fitting = [r for r in self._rows.values() if tenant in (None, r.tenant) and state in (None, r.state)]
        return [row.public() for row in fitting[::-1][:limit]]

    async def close(self) -> None:
        """See `JobStore.close`."""
