"""What a conditional write does to a job, told once for every adapter that decides in Python. Pure."""

from __future__ import annotations

from typing import NamedTuple

from contracts.events import TERMINAL, State
from contracts.work import Verdict
from streams.ports import Claim, Claimed, JobRow, Move

KEEP_S = 8 * 86_400.0
"""How long rejections and early cancels are remembered: a day longer than Kafka keeps the events they are about."""

KEEP_JOBS_S = 90 * 86_400.0
"""How long an embedded store remembers a job after its end; its id is free again then."""


class Row(NamedTuple):
    """A job as stored. A tuple, as it goes to and from a database by the thousand."""

    tenant: str
    id: str
    fingerprint: bytes
    claimed_by: str
    """Source of the claim."""
    state: State
    attempt: int
    moved_by: str
    """Source of the move that made the state; empty before the first."""
    model: str
    tier: str
    submitted_at: float
    updated_at: float
    result: bytes | None = None

    def public(self) -> JobRow:
        """The part that others may see."""
        return JobRow(
            tenant=self.tenant,
            id=self.id,
            state=self.state,
            attempt=self.attempt,
            model=self.model,
            tier=self.tier,
            submitted_at=self.submitted_at,
            updated_at=self.updated_at,
            result=self.result,
        )


def first(claim: Claim) -> Row:
    """The row that a claim makes of a free id."""
    return Row(
        tenant=claim.tenant,
        id=claim.id,
        fingerprint=claim.fingerprint,
        claimed_by=claim.source,
        state="rejected" if claim.refused else "queued",
        attempt=0 if claim.refused else 1,
        moved_by="",
        model=claim.model,
        tier=claim.tier,
        submitted_at=claim.submitted_at,
        updated_at=claim.submitted_at,
    )


def taken(row: Row | None, claim: Claim) -> Row | None:
    """The row as this claim makes it; None if the id is somebody's.

    A refused record keeps the row, so that a replay of it is answered alike, until another one asks for the id. Its
    attempts count downwards: state and attempt together name a version of a row.
    """
    if row is None:
        return first(claim)
    if row.state != "rejected" or row.claimed_by == claim.source:
        return None
    ours = first(claim)._replace(submitted_at=row.submitted_at)
    return ours._replace(attempt=row.attempt - 1) if claim.refused else ours


def claimed(row: Row, claim: Claim, *, new: bool, cancelled: bool) -> Claimed:
    """The answer to a claim whose id is `row`'s now; `new`: by this very claim."""
    answer = "new" if new else _kinship(row, claim)
    return Claimed(answer=answer, state=row.state, attempt=row.attempt, cancelled=cancelled)  # type: ignore[arg-type]


def _kinship(row: Row, claim: Claim) -> str:
    if row.fingerprint and row.fingerprint != claim.fingerprint:
        return "conflict"  # a row without one is an outcome's that came first, after a store was lost
    return "replay" if row.claimed_by == claim.source else "same"


def moved(row: Row | None, move: Move) -> tuple[Verdict, Row | None]:
    """The verdict on a move, and the row as it is after it if it took effect."""
    if row is None:
        return "won", _moved_unseen(move)
    if row.moved_by == move.source:
        return "again", None
    if row.state in TERMINAL:
        return "late", None
    if move.to == "succeeded" or move.attempt is None or move.attempt == row.attempt:
        return "won", _apply(row, move)
    return "late", None


def _apply(row: Row, move: Move) -> Row:
    attempt = row.attempt + 1 if move.to == "retrying" else row.attempt
    return row._replace(state=move.to, attempt=attempt, moved_by=move.source, updated_at=move.at, result=move.result)


def _moved_unseen(move: Move) -> Row:
    # The store was lost while jobs were on their way. Their outcomes are told rather than swallowed: a job without
    # an answer is worse than one whose earlier answer nobody remembers.
    lost = Row(
        tenant=move.tenant,
        id=move.id,
        fingerprint=b"",
        claimed_by="",
        state="queued",
        attempt=move.attempt or 1,
        moved_by="",
        model="",
        tier="",
        submitted_at=move.at,
        updated_at=move.at,
    )
    return _apply(lost, move)
