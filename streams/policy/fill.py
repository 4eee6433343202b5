"""How large a batch may be, and who joins the job that leads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple, Protocol

from contracts.catalog import Catalog, ModelSpec
from contracts.events import Tier
from contracts.topics import MAX_RECORD_BYTES
from contracts.work import QueuedHead
from streams.policy.crowd import Crowd
from streams.policy.shares import Share
from streams.policy.turn import least_slack
from streams.policy.waiting import Waiting
from streams.policy.window import Window

MAX_BATCH_BYTES = MAX_RECORD_BYTES - 65_536
"""Bytes of jobs in one batch: the record has to fit its topic, with its envelope."""

MISFITS = 16
"""Jobs too large for the room that is left that are passed over in search of smaller ones, so that a look stays short."""


InTime = Callable[[Waiting], bool]


class Limit(NamedTuple):
    """Of a batch, with its first job in it. One job is always a batch, whatever it takes."""

    weight: float
    """In the unit of `Caps`."""
    rows: float = inf
    """Of a forward pass: what the worker's memory has room for."""

    def like(self, lead: Waiting) -> float:
        """How many jobs like this one."""
        times = self.weight / lead.weight
        return times if self.rows == inf else min(times, max(1.0, self.rows / lead.head.resolved.rows))

    def has_room_beside(self, lead: Waiting) -> bool:
        """Whether anybody may join this one."""
        asked = lead.head.resolved
        return self.weight >= lead.weight + 1 and (self.rows == inf or self.rows >= asked.rows + _picture(lead))


class Caps(Protocol):
    """What limits the size of a batch. The seam for learned limits."""

    def weight(self, head: QueuedHead) -> float:
        """What one job takes of the limit."""
        ...

    def limit(self, head: QueuedHead) -> float:
        """The limit of batches of this job's key. One job is always a batch, whatever it weighs."""
        ...


class CatalogCaps:
    """Limits as the catalogue states them: `batch_cap` jobs of the model's default size."""

    def __init__(self, catalog: Catalog) -> None:
        self._specs = {spec.ref: spec for spec in catalog.models}

    def weight(self, head: QueuedHead) -> float:
        """Rows × pixels × frames against one default picture; at least 1, as smaller jobs were never measured."""
        spec, asked = self._specs.get(head.model), head.resolved
        if spec is None:
            return 1.0
        rows = asked.count * asked.frames * _branches(asked.guidance)
        return max(1.0, rows * asked.width * asked.height / _default_size(spec))

    def limit(self, head: QueuedHead) -> float:
        """The model's `batch_cap`; 1 for a model that left the catalogue."""
        spec = self._specs.get(head.model)
        return float(spec.batch_cap) if spec else 1.0


def _default_size(spec: ModelSpec) -> int:
    return spec.width * spec.height * _branches(spec.guidance)


def _branches(guidance: float) -> int:
    """Guidance adds a second row to each picture's forward pass."""
    return 2 if guidance > 1 else 1


def fill(
    lead: Waiting,
    window: Window,
    limit: Limit,
    now: float,
    *,
    take: Callable[[Waiting], None],
    in_time: InTime,
    by_slack: Sequence[Tier] = (),
) -> list[Waiting]:
    """The batch of `lead`, which has left the window, and of jobs with its key, by tier and turn, until the limit is reached.

    `take` lets a job leave the window, and charges it: who has just got a job in has to wait for the others. `in_time`:
    whether nobody is late because of a job. `by_slack`: tiers whose jobs join by what is due first, whoever's turn it is.
    """
    filling = _Filling(lead, limit, in_time)
    crowds = window.companions(lead.key)
    pressing = [crowds[tier] for tier in by_slack if tier in crowds]
    while filling.wants_more() and (job := least_slack(pressing, now)) is not None:
        filling.try_in(job, crowds[job.tier], take)
    for tier, crowd in crowds.items():
        while filling.wants_more() and (line := crowd.front()) is not None:
            # A less important tier only takes what room is left over; within the tier others wait for their turn.
            if tier == lead.tier and not _may_join(window, tier, line.share):
                break
            place = line.first(now)
            if place is not None:
                filling.try_in(place.job, crowd, take)
    for crowd, job in filling.misfits:
        crowd.push(job, window.share(job))
    return filling.batch


def _may_join(window: Window, tier: Tier, share: Share) -> bool:
    shares = window.shares[tier]
    if not shares.may_run(share):
        window.catch_up(tier)
    return shares.may_run(share)


class _Filling:
    """A batch that has room."""

    __slots__ = ("_in_time", "_picture", "batch", "misfits", "room", "rows", "space")

    def __init__(self, lead: Waiting, limit: Limit, in_time: InTime) -> None:
        self._in_time = in_time
        self._picture = _picture(lead)
        self.batch = [lead]
        self.room = limit.weight - lead.weight
        self.rows = inf if limit.rows == inf else limit.rows - lead.head.resolved.rows
        self.space = MAX_BATCH_BYTES - len(lead.body)
        """Bytes."""
        self.misfits: list[tuple[Crowd, Waiting]] = []

    def wants_more(self) -> bool:
        return self.room >= 1 and self.rows >= self._picture and len(self.misfits) <= MISFITS

    def try_in(self, job: Waiting, crowd: Crowd, take: Callable[[Waiting], None]) -> None:
        """It is taken, or out of the way until the batch is full."""
        if self._fits(job):
            take(job)
        else:
            crowd.remove(job)
            self.misfits.append((crowd, job))

    def _fits(self, job: Waiting) -> bool:
        if job.weight > self.room or len(job.body) >= self.space or not (self._has_rows(job) and self._in_time(job)):
            return False
        self.batch.append(job)
        self.room -= job.weight
        self.space -= len(job.body) + 1
        if self.rows != inf:
            self.rows -= job.head.resolved.rows
        return True

    def _has_rows(self, job: Waiting) -> bool:
        return self.rows == inf or job.head.resolved.rows <= self.rows


def _picture(lead: Waiting) -> int:
    """Rows of one picture like this job's: with fewer left nobody is looked for."""
    asked = lead.head.resolved
    return asked.rows // asked.count
