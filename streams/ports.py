"""What the stages need from outside, as small Protocols. Adapters live in `infra/`; only composition roots name them.

Records are Structs: making a frozen dataclass takes ten times as long, and each job has several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from contracts.events import State, Terminal
from contracts.tenants import Limits, Tenant
from contracts.work import Verdict
from streams.policy.limit import Answer, Ask, Rates


class Claim(Struct, frozen=True, kw_only=True):
    """Admission asks for an id: one conditional write."""

    tenant: str
    id: str
    fingerprint: bytes
    """Digest of the decoded body: equal for equal jobs, whatever the order of fields in the JSON."""
    source: str
    """`partition@offset@timestamp` of the record on `jobs`: tells a replay of the claiming record from a duplicate."""
    submitted_at: float
    model: str
    tier: str
    refused: bool = False
    """The record is to be rejected: it is noted that it had its answer, and the id is the next record's that asks for it."""


class Claimed(Struct, frozen=True, kw_only=True):
    """What stands after a claim."""

    answer: Literal["new", "replay", "same", "conflict"]
    """new: the id is this record's. replay: it was already this record's. same: an equal job has it. conflict: another."""
    state: State
    """`rejected`: this record was refused, now or, of a replay, the first time."""
    attempt: int
    cancelled: bool
    """A cancel for this id came before the job."""


class Move(Struct, frozen=True, kw_only=True):
    """Settle asks for a change of state: a terminal one, or the next attempt. One conditional write."""

    tenant: str
    id: str
    to: Terminal | Literal["retrying"]
    attempt: int | None
    """Must be the job's current attempt for a retry or a failure; None: whatever it is. A success wins at any attempt."""
    source: str
    """`partition@offset` of the outcome: the same outcome replayed is answered `again`."""
    at: float
    result: bytes | None = None
    """The `results` record, kept for those who ask later."""


class Note(Struct, frozen=True, kw_only=True):
    """Settle notes that a record was rejected, so that it is told once."""

    rejected: str
    """Source of the rejected record. Admission may tell of it in several outcomes, when it reads the record again."""
    source: str
    """`partition@offset` of the outcome that tells of it."""
    at: float


class JobRow(Struct, frozen=True, kw_only=True):
    """A job as the store knows it."""

    tenant: str
    id: str
    state: State
    attempt: int
    model: str
    tier: str
    submitted_at: float
    updated_at: float
    result: bytes | None


class JobStore(Protocol):
    """Job state. Claims and moves are conditional writes: the order of concurrent callers decides, never a clock.

    Every method may raise `StoreUnavailable`; calling again with the same arguments is always safe.
    """

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Take ids, in order; two equal ids in one call see each other."""
        ...

    async def cancel(self, jobs: Sequence[tuple[str, str]], at: float) -> list[State | None]:
        """Note a cancel for (tenant, id) each, and say the state each job is in; None: not claimed yet."""
        ...

    async def move(self, moves: Sequence[Move]) -> list[Verdict]:
        """Change states, in order. A job in a terminal state takes no further move.

        A job that the store does not know (it was lost) is taken to be in its first attempt.
        """
        ...

    async def reject(self, notes: Sequence[Note]) -> list[Verdict]:
        """Note rejected records: `again` if the same outcome noted it before, `late` if another one did."""
        ...

    async def get(self, tenant: str, id: str) -> JobRow | None:
        """One job."""
        ...

    async def recent(self, tenant: str | None, state: State | None, limit: int) -> list[JobRow]:
        """Jobs, newest first."""
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


class StoreUnavailable(Exception):
    """The job store did not answer. The work is to be tried again; nothing was lost."""


class ObjectRemover(Protocol):
    """The part of the object store that settle needs."""

    async def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is absent is no error."""
        ...


class Limiter(Protocol):
    """Lets work in at the rates agreed upon, whoever asks. Never raises: what it cannot know it takes to be allowed once."""

    def now(self) -> float:
        """Its clock, the one `Answer.start_at` is on: seconds since the Unix epoch, about. No wall clock that jumps moves it."""
        ...

    async def take(self, asks: Sequence[Ask], everybody: Rates) -> list[Answer]:
        """Let in, give a place, or refuse, in this order. Asking for nothing brings its clock up to date."""
        ...

    async def give_back(self, given: Sequence[tuple[Ask, Answer]], everybody: Rates) -> None:
        """These went nowhere."""
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


class Tenancy(Protocol):
    """What holds for whom, at this moment."""

    @property
    def everybody(self) -> Limits:
        """For all tenants together."""
        ...

    def of(self, tenant: str) -> Tenant:
        """For one tenant."""
        ...
