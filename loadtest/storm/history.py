"""What happened, as anybody outside could see it: the oracle's whole evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.events import Dead, Result, Status
from loadtest.crew.watch import Place, Seen
from loadtest.storm.load import Intent
from streams.ports import JobRow

Name = tuple[str, str]
"""Tenant and id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What was committed at a moment, and where the outputs ended right after."""

    committed: Mapping[Place, int]
    """Of the group that reads `jobs` and `control`."""
    ends: Mapping[Place, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """An object as it is in the store."""

    sha256: str
    size: int


@dataclass(kw_only=True)
class History:
    """One storm. Records are in the order of their partitions' offsets, partitions mixed."""

    intents: Mapping[bytes, Intent] = field(default_factory=dict)
    """By body: what its sender meant."""
    jobs: list[Seen[bytes]] = field(default_factory=list)
    """What is on `jobs`."""
    control: list[Seen[bytes]] = field(default_factory=list)
    early: int = 0
    """So many records of `control` were taken note of before the first job was sent."""
    results: list[Seen[Result]] = field(default_factory=list)
    statuses: list[Seen[Status]] = field(default_factory=list)
    dead: list[Seen[Dead]] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    unmade: list[str] = field(default_factory=list)
    """Keys that a result named before the object was there."""
    looked: int = 0
    """Keys that were looked for the moment their result was read."""
    left_behind: frozenset[str] = frozenset()
    """Keys of the object store before the sweep."""
    objects: Mapping[str, Stored] = field(default_factory=dict)
    """The object store after it."""
    rows: Mapping[Name, JobRow | None] = field(default_factory=dict)
    """Job store, for every job that was sent."""
    left: Mapping[Place, int] = field(default_factory=dict)
    """Records that a group never finished, by the place it reads."""
    dead_workers: frozenset[str] = frozenset()
    """Groups of objects of workers that were killed: the last part of their names."""
    store_was_away: bool = False
    """The object store, so that what should have been removed could not be."""
    extra_allowed: int = 0
    """Runs that the blows may have cost: what workers had in hand when they were killed or frozen."""
    orphans_allowed: int = 0
    """Objects that killed workers may have left: what they had in hand."""
