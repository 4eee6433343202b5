"""Whose turn it is: the tier first, then the tenant that had least, then that tenant's most urgent job.

With two exceptions: the floor under the less important tiers, and jobs whose deadline presses.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from contracts.events import TIERS, Tier
from streams.policy.crowd import Crowd
from streams.policy.floor import Floor
from streams.policy.shares import Share
from streams.policy.window import Waiting, Window

AHEAD = 2.0
"""Batches of the largest size lately between a decision and its run: the one that runs, and the one that is ready."""

MARGIN_S = 0.25
"""On top: the way through Kafka and back."""


class Turn(NamedTuple):
    """A decision about who leads the next batch."""

    job: Waiting
    share: Share
    """Of the tenant whose turn it was by fairness alone: the same, unless the job's deadline presses."""
    out_of_turn: bool
    """Its tier goes before a more important one."""


def next_turn(window: Window, floor: Floor, models: Container[str], now: float) -> Turn | None:
    """Who goes next of those that run on one of these models."""
    for tier in floor.creditors():
        turn = first(window, tier, models, now)
        if turn is not None and floor.covers(tier, turn.job.head.price_s):
            return turn._replace(out_of_turn=True)
    for tier in TIERS:
        turn = first(window, tier, models, now)
        if turn is not None:
            return turn
    return None


def first(window: Window, tier: Tier, models: Container[str], now: float) -> Turn | None:
    """Who goes first of one tier: a look at each model."""
    crowds = [crowd for model, crowd in window.models(tier).items() if model in models]
    fair = _fair(crowds, now)
    return None if fair is None else Turn(_pressed(window, tier, crowds, now) or fair.job, fair.share, out_of_turn=False)


def _fair(crowds: list[Crowd], now: float) -> Turn | None:
    best: tuple[float, float, int] | None = None
    turn: Turn | None = None
    for crowd in crowds:
        line = crowd.front()
        place = line.first(now) if line else None
        if line is not None and place is not None:
            rank = (line.share.spent, place.due, place.offset)
            if best is None or rank < best:
                best, turn = rank, Turn(place.job, line.share, out_of_turn=False)
    return turn


def _pressed(window: Window, tier: Tier, crowds: list[Crowd], now: float) -> Waiting | None:
    shares = window.shares[tier]
    until = now + AHEAD * shares.largest + MARGIN_S
    pressing = (crowd.pressing(now, until, shares.may_run) for crowd in crowds)
    return min((job for job in pressing if job is not None), key=window.start_by, default=None)
