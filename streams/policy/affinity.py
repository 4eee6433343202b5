"""Which free worker may take which model. One that holds it, where there is one; one that would have to load it, if that pays.

What waits for a model is compared with what waits for the models that a worker holds: loading pays once those who wait for
the one wait for longer than those who wait for the others, by more than loading takes. So under any load every model has
workers in proportion to its work, nobody waits long behind work that could have been elsewhere, and no worker changes its
model for a single job, unless it has nothing else to do and nobody holds that model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from streams.policy.cost import Costs
    from streams.policy.window import Window
    from streams.policy.workers import Worker, Workers

Takers = Mapping[str, Sequence["Worker"]]
"""Model to the free workers that may take it."""


class Wait(NamedTuple):
    """How long those wait who wait for a model."""

    seconds: float
    holders: int


def takers(free: Sequence[Worker], window: Window, workers: Workers, costs: Costs | None, now: float) -> Takers:
    """Who may take what."""
    able = {model: [one for one in free if model in one.warmth] for model in window.wanted}
    found: dict[str, Sequence[Worker]] = {}
    waits: dict[str, Wait] = {}
    for model, several in able.items():
        ready = [one for one in several if one.holds(model)]
        if ready or costs is None:
            found[model] = ready or several
        elif several:
            waits = waits or {one: _wait(one, window, workers.all(), now) for one in window.wanted}
            found[model] = _loaders(model, several, waits, costs)
    return {model: several for model, several in found.items() if several}


def _loaders(model: str, free: Sequence[Worker], waits: Mapping[str, Wait], costs: Costs) -> list[Worker]:
    """Who gains by loading it; of these, those whose own models have the least to do."""
    wait = waits[model]
    own = {one.name: max((waits[held].seconds for held in one.models() if held in waits), default=0.0) for one in free}
    least = min(own.values())
    if least > 0 or wait.holders:
        free = [one for one in free if wait.seconds > own[one.name] + costs.load_s(model, one.report.device)]
    return [one for one in free if own[one.name] == least]


def _wait(model: str, window: Window, workers: Iterable[Worker], now: float) -> Wait:
    """Until a holder is through, then all the work shared among holders; and how long it is since any of it had a turn."""
    holders = [one for one in workers if one.holds(model)]
    wanted = window.wanted[model]
    soonest = min((max(0.0, one.through_at - now) for one in holders), default=0.0)
    return Wait(soonest + wanted.price_s / max(1, len(holders)) + now - wanted.since, len(holders))
