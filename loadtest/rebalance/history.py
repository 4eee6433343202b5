"""What happened while workers came and went, as the topics tell it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["join", "leave", "kill"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A worker came or went. Times in seconds since the epoch, as everywhere here."""

    kind: Kind
    worker: str
    at: float
    """When it was started, told to leave or killed."""
    over: float | None = None
    """When a newcomer said that it was ready, or a leaver had ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """The run of a batch that counted."""

    batch: str
    worker: str
    began: float
    ended: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A batch on `batches.<pool>`."""

    batch: str
    partition: int
    offset: int
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Owned:
    """What a worker said it owned."""

    worker: str
    at: float
    positions: dict[int, int]
    """Partition to the first batch not finished there."""


@dataclass(kw_only=True)
class History:
    """Everything that is measured from. One job is one batch, of the same name."""

    events: list[Event] = field(default_factory=list)
    ran: list[Ran] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    owned: list[Owned] = field(default_factory=list)
    starts: dict[str, list[float]] = field(default_factory=dict)
    """Batch to each time that an engine began with it."""
    calm_from: float = 0.0
    """From here to the first event nothing happened, and every worker had work."""
    ended: float = 0.0
