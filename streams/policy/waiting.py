"""What the scheduler moves about: a job that waits, and a batch that is formed of some."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from contracts.events import Tier
from contracts.work import QueuedHead


class Waiting(Struct, frozen=True, kw_only=True, eq=False):
    """One job in the window. Compared by identity: the same job read twice is two of these."""

    head: QueuedHead
    name: tuple[str, str]
    """Tenant and id."""
    tier: Tier
    """Of the topic it came from, which decides, whatever the job itself says."""
    offset: int
    """Of its record in the topic of its tier: first in, first out."""
    arrived: float
    """When the scheduler got it, on the scheduler's clock."""
    weight: float
    """Its part of a batch's size limit: 1 for the model's default size."""
    body: bytes
    """The `QueuedJob` as it came."""
    ticket: object = None
    """The caller's own, handed back untouched."""
    invited: bool = False
    """It comes back from overflow, or with a new record: its place is kept."""

    @property
    def key(self) -> str:
        """Equal for jobs that may share a batch."""
        head = self.head
        return f"{head.batch_key}|{head.group}" if head.group else head.batch_key


class Formed(Struct, frozen=True, kw_only=True, eq=False):
    """A batch, ready to be written."""

    jobs: Sequence[Waiting]
    """The first leads: it decided the key and the turn."""
    worker: str
    partition: int
    """Of `batches.<pool>`."""
    paid: Sequence[float] = ()
    """What each job's tenant was charged."""
    seconds: float = 0.0
    """How long it is predicted to run."""
