"""A job that failed twice and says `degrade: allowed` is made easier: smaller where memory ran out, fewer steps otherwise."""

from __future__ import annotations

from math import ceil

import msgspec

from contracts.catalog import Catalog, ModelSpec
from contracts.work import QueuedJob, Resolved
from streams.policy.cost import work_of
from streams.policy.place import resized
from streams.policy.retry import counted

AFTER = 2
"""Failed runs that count. The two runs that may follow are each a reduction further."""

STEPS = 0.5
SIDE = 0.75
"""Of each side: 56 % of the pixels, and of the memory that grows with them."""


def degrade(again: QueuedJob, catalog: Catalog) -> QueuedJob:
    """The job as it queues again, made easier if it may be, has to be and can be."""
    model = catalog.by_ref(again.model)
    if model is None or not again.degrade or again.tier == "paid" or counted(again) < AFTER:
        return again
    asked = again.resolved
    easier = _smaller(asked, model) if again.history[-1].code == "out_of_memory" else _shorter(asked)
    reduced = [name for name in asked.__struct_fields__ if getattr(asked, name) != getattr(easier, name)]
    if not reduced:
        return again
    return msgspec.structs.replace(
        again,
        resolved=easier,
        batch_key=resized(again.batch_key, easier),
        price_s=_cheaper(again.price_s, asked, easier),
        degraded=[*again.degraded, *(name for name in reduced if name not in again.degraded)],
    )


def _cheaper(price_s: float, asked: Resolved, easier: Resolved) -> float:
    """Settle learns no costs: the price at admission, by how much less there is to do."""
    before, after = work_of(asked), work_of(easier)
    return round(price_s * after.pixels * after.row_steps / (before.pixels * before.row_steps), 6)


def _shorter(asked: Resolved) -> Resolved:
    return msgspec.structs.replace(asked, steps=ceil(asked.steps * STEPS))


def _smaller(asked: Resolved, model: ModelSpec) -> Resolved:
    width, height = (_side(side, model) for side in (asked.width, asked.height))
    return msgspec.structs.replace(asked, width=width, height=height)


def _side(side: int, model: ModelSpec) -> int:
    """Never below what the model can make; a smallest side need not be a multiple."""
    smaller = int(side * SIDE) // model.multiple * model.multiple
    least = ceil(model.min_side / model.multiple) * model.multiple
    return min(side, max(smaller, least))
