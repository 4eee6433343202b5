"""What is read off a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec import Struct

from contracts.events import TIERS, Tier
from loadtest.figures import percentile
from loadtest.simulate.simulation import Run
from loadtest.simulate.trace import Item

K = TypeVar("K", bound=str)

WEIGHTS: dict[Tier, float] = {"paid": 4.0, "urgent": 2.0, "ordinary": 1.0}
"""What a job within its goal is worth."""


class Latency(Struct, frozen=True, kw_only=True):
    """Of one group of jobs. Seconds from submission to result, of those that had one."""

    jobs: int
    done: int
    in_goal: float
    """Share."""
    p50_s: float | None
    p99_s: float | None


class Measures(Struct, frozen=True, kw_only=True):
    """Of one run."""

    policy: str
    scale: float
    value: float
    """Attainment, each job weighed by its tier: the objective of the score. 1 is all."""
    attainment: float
    """Share of all jobs with a result within the goal."""
    jobs_per_s: float
    """Jobs with a result, from the first submission to the last job's end."""
    busy: float
    """Share of worker time in runs, loads not counted."""
    loading: float
    padding: float
    """Share of the computed row-steps that were padding."""
    batch: float
    """Jobs, on average."""
    unfairness: float
    """Worst of the larger tenants: how far its attainment is below the mean of all (0: nowhere)."""
    tiers: dict[Tier, Latency]
    tenants: dict[str, Latency]
    """The five that sent most."""


def measure(run: Run) -> Measures:
    """All of it."""
    items, done = run.scenario.items, sum(fate.done_at is not None for fate in run.fates)
    good = in_goal(run)
    time = run.end_s * run.scenario.workers
    tenants = _groups(run, good, ((item.tenant, place) for place, item in enumerate(items)))
    tiers = _groups(run, good, ((item.tier, place) for place, item in enumerate(items)))
    attainment = sum(good) / len(items)
    large = [one.in_goal for one in tenants.values() if one.jobs >= 30]
    return Measures(
        policy=run.policy,
        scale=run.scale,
        value=_weighed(items, good),
        attainment=attainment,
        jobs_per_s=done / run.end_s,
        busy=run.busy_s / time,
        loading=run.load_s / time,
        padding=1 - run.asked / run.padded if run.padded else 0.0,
        batch=sum(fate.done_at is not None for fate in run.fates) / max(1, run.batches),
        unfairness=max((attainment - one for one in large), default=0.0),
        tiers={tier: tiers[tier] for tier in TIERS if tier in tiers},
        tenants=dict(sorted(tenants.items(), key=lambda pair: -pair[1].jobs)[:5]),
    )


def in_goal(run: Run) -> list[bool]:
    """Whether each job had its result within its goal times the scale."""
    pairs = zip(run.scenario.items, run.fates, strict=True)
    return [fate.done_at is not None and fate.done_at - item.at <= item.goal_s * run.scale for item, fate in pairs]


def _weighed(items: Sequence[Item], good: Sequence[bool]) -> float:
    worth = [WEIGHTS[item.tier] for item in items]
    return sum(one for one, ok in zip(worth, good, strict=True) if ok) / sum(worth)


def _groups(run: Run, good: Sequence[bool], members: Iterable[tuple[K, int]]) -> dict[K, Latency]:
    places: dict[K, list[int]] = {}
    for name, place in members:
        places.setdefault(name, []).append(place)
    return {name: _latency(run, good, of) for name, of in places.items()}


def _latency(run: Run, good: Sequence[bool], places: Sequence[int]) -> Latency:
    pairs = ((run.scenario.items[place], run.fates[place]) for place in places)
    took = sorted(fate.done_at - item.at for item, fate in pairs if fate.done_at is not None)
    return Latency(
        jobs=len(places),
        done=len(took),
        in_goal=sum(good[place] for place in places) / len(places),
        p50_s=percentile(took, 50),
        p99_s=percentile(took, 99),
    )
