"""How large a batch may be, and who joins the job that leads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from contracts.catalog import Catalog, ModelSpec
from contracts.events import Tier
from contracts.topics import MAX_RECORD_BYTES
from contracts.work import QueuedHead
from streams.policy.window import Lane, Waiting

MAX_BATCH_BYTES = MAX_RECORD_BYTES - 65_536
"""Bytes of jobs in one batch: the record has to fit its topic, with its envelope."""

MISFITS = 16
"""Jobs too large for the room that is left that are passed over in search of smaller ones, so that a look stays short."""


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


def fill(lead: Waiting, companions: Mapping[Tier, Lane], limit: float) -> list[Waiting]:
    """The batch of `lead` and of jobs with its key, by tier and age, until the limit is reached."""
    batch, room, space = [lead], limit - lead.weight, MAX_BATCH_BYTES - len(lead.body)
    misfits = 0
    for job in _others(lead, companions):
        if room < 1 or misfits > MISFITS:
            break
        if job.weight <= room and len(job.body) < space:
            batch.append(job)
            room, space = room - job.weight, space - len(job.body) - 1
        else:
            misfits += 1
    return batch


def _others(lead: Waiting, companions: Mapping[Tier, Lane]) -> Iterator[Waiting]:
    return (job for lane in companions.values() for job in lane if job is not lead)
