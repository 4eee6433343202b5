"""Whose turn it is: the tier first, then the tenant that had least, then that tenant's most urgent job.

With three exceptions: the floor under the less important tiers, jobs whose deadline presses, and a rush, in which all go by
slack.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from itertools import chain
from math import inf
from typing import NamedTuple

from contracts.events import TIERS, Tier
from streams.policy.crowd import Crowd
from streams.policy.demand import due, start_by
from streams.policy.floor import Floor
from streams.policy.shares import Share
from streams.policy.waiting import Waiting
from streams.policy.window import Window

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
    by_slack: Sequence[Tier] = ()
    """Tiers whose jobs go by slack now, in any tenant's turn (see `streams.policy.rush`)."""


def next_turn(window: Window, floor: Floor, models: Container[str], now: float, *, rush: bool = False) -> Turn | None:
    """Who goes next of those that run on one of these models."""
    if rush and (turn := _by_slack(window, models, now)):
        return turn
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


def least_slack(crowds: Iterable[Crowd], now: float) -> Waiting | None:
    """The job that is due first of those that can make their deadline."""
    first = (crowd.pressing(now, inf, _anyone) for crowd in crowds)
    return min((job for job in first if job is not None), key=due, default=None)


def _anyone(_: Share) -> bool:
    return True


def _by_slack(window: Window, models: Container[str], now: float) -> Turn | None:
    tiers = window.demand.dated()
    crowds = {tier: [crowd for model, crowd in window.models(tier).items() if model in models] for tier in tiers}
    job = least_slack(chain(*crowds.values()), now)
    if job is None:
        return None
    # In a large batch it could not be in time any more: so it is not asked for by slack, but in its turn it goes.
    overdue = (_fair(crowds[tier], now) for tier in tiers[: tiers.index(job.tier)])
    for turn in overdue:
        if turn is not None and start_by(turn.job) >= now and due(turn.job) < due(job):
            return turn._replace(by_slack=tiers)
    fair = _fair(crowds[job.tier], now)
    return fair._replace(job=job, by_slack=tiers) if fair else None


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
