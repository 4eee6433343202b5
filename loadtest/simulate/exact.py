"""The best schedule of a few jobs, exactly: a mixed integer program that knows all arrivals.

Time is in whole slots, and so have to be submissions, goals and run times; models are loaded. A batch of n jobs of a key
starts at a slot and occupies one worker for as long as it runs; each job in it was submitted by then and is worth something
if the batch ends within its goal. With whole times nothing is lost by starting at whole slots only: any other schedule can
be shifted to the left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from loadtest.simulate.bound import most_rows
from loadtest.simulate.measures import WEIGHTS
from loadtest.simulate.trace import Item, Scenario
from loadtest.simulate.truth import Model, rows_of


class _Start(Struct, frozen=True, kw_only=True):
    """A batch that could be."""

    key: str
    jobs: int
    at: int
    takes: int
    """Slots."""


def best(scenario: Scenario, slot_s: float = 1.0) -> float:
    """The largest value that any schedule has. For tens of jobs at most, with keys whose jobs are all alike."""
    items = scenario.items
    starts = list(_starts(scenario, slot_s))
    pairs = [(job, place) for job, item in enumerate(items) for place, one in enumerate(starts) if _fits(item, one, slot_s)]
    if not pairs:
        return 0.0
    worth = np.array([WEIGHTS[items[job].tier] for job, _ in pairs])
    found = milp(
        np.concatenate([np.zeros(len(starts)), -worth]),
        constraints=_rules(scenario, starts, pairs),
        integrality=np.ones(len(starts) + len(pairs)),
        bounds=Bounds(0, np.concatenate([np.full(len(starts), scenario.workers), np.ones(len(pairs))])),
    )
    if found.x is None:
        raise RuntimeError(f"no schedule was found: {found.message}")
    return float(-found.fun) / sum(WEIGHTS[item.tier] for item in items)


def _starts(scenario: Scenario, slot_s: float) -> Iterator[_Start]:
    models = {model.spec.ref: model for model in scenario.models}
    last = max(round((item.at + item.goal_s) / slot_s) for item in scenario.items)
    for key, items in _keys(scenario.items).items():
        model, job = models[items[0].model], items[0].resolved
        for jobs in range(1, min(len(items), most_rows(model, job) // rows_of(job)) + 1):
            takes = _slots(model, items[0], jobs, slot_s)
            for at in range(last - takes + 1):
                yield _Start(key=key, jobs=jobs, at=at, takes=takes)


def _slots(model: Model, item: Item, jobs: int, slot_s: float) -> int:
    seconds = max(model.run([item.resolved] * jobs))
    if abs(seconds / slot_s - round(seconds / slot_s)) > 1e-3:
        raise ValueError(f"a batch of {jobs} takes {seconds} s: no whole number of slots")
    return round(seconds / slot_s)


def _keys(items: Sequence[Item]) -> dict[str, list[Item]]:
    keys: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        keys[item.model].append(item)
    if any(one.resolved != of[0].resolved for of in keys.values() for one in of):
        raise ValueError("jobs of one model have to be alike here")
    return keys


def _fits(item: Item, start: _Start, slot_s: float) -> bool:
    begins, ends = start.at * slot_s, (start.at + start.takes) * slot_s
    return item.model == start.key and item.at <= begins + 1e-9 and ends <= item.at + item.goal_s + 1e-9


def _rules(scenario: Scenario, starts: Sequence[_Start], pairs: Sequence[tuple[int, int]]) -> list[LinearConstraint]:
    """Workers are enough at every slot; a batch holds as many jobs as it is for; a job runs once."""
    first, width = len(starts), len(starts) + len(pairs)
    last = max(one.at + one.takes for one in starts)
    running = [(slot, place, 1.0) for place, one in enumerate(starts) for slot in range(one.at, one.at + one.takes)]
    seats = [(place, place, -float(one.jobs)) for place, one in enumerate(starts)]
    seats += [(place, first + number, 1.0) for number, (_, place) in enumerate(pairs)]
    once = [(job, first + number, 1.0) for number, (job, _) in enumerate(pairs)]
    return [
        _rule(running, (last, width), float(scenario.workers)),
        _rule(seats, (first, width), 0.0),
        _rule(once, (len(scenario.items), width), 1.0),
    ]


def _rule(entries: Sequence[tuple[int, int, float]], shape: tuple[int, int], most: float) -> LinearConstraint:
    rows, columns, values = zip(*entries, strict=True)
    return LinearConstraint(coo_array((values, (rows, columns)), shape=shape).tocsr(), -np.inf, most)
