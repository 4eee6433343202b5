"""What nobody can beat: a linear program that knows all arrivals.

It gives every job the share of a batch that it would have in the best company it could have (same key, windows of time that
overlap, up to the cap), lets jobs be cut into any pieces that may run anywhere at any time between submission and goal, and
loads models for nothing. Each of these only helps, so its value is at least that of any policy.

Value: each job within its goal, weighed by its tier, as a share of all (`measures.WEIGHTS`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import ceil, floor

import numpy as np
from msgspec import Struct
from scipy.optimize import linprog
from scipy.sparse import coo_array

from contracts.work import Resolved
from loadtest.simulate.measures import WEIGHTS
from loadtest.simulate.trace import Item, Scenario
from loadtest.simulate.truth import Model, bucket, rows_of

WINDOWS = 150_000
"""Variables (pieces of jobs in slots of time) that the program may about have: the slots are made so long that it does."""


class Piece(Struct, frozen=True, kw_only=True):
    """Jobs alike enough to be one: of a key, a tier and a slot of submission and of goal."""

    first: int
    last: int
    """Slots in which they may run."""
    work_s: float
    """Of one."""
    worth: float
    """Of one."""
    jobs: int


def bound(scenario: Scenario, scale: float = 1.0, *, slot_s: float | None = None) -> float:
    """The largest value that any policy could have."""
    items = scenario.items
    total = sum(WEIGHTS[item.tier] for item in items)
    slot = slot_s or _slot(items, scale)
    pieces = _pieces(items, least_work(scenario, scale), scale, slot)
    return min(1.0, _solve(pieces, scenario.workers * slot) / total)


def least_work(scenario: Scenario, scale: float) -> list[float]:
    """The device seconds that each job costs in the best company it could have."""
    models = {model.spec.ref: model for model in scenario.models}
    companies = _companies(scenario.items, scale)
    pairs = zip(scenario.items, companies, strict=True)
    known: dict[tuple[str, Resolved, int, int], float] = {}
    work = []
    for item, (rows, jobs) in pairs:
        model = models[item.model]
        most = min(rows, most_rows(model, item.resolved))
        key = (item.model, item.resolved, most, jobs)
        if key not in known:
            known[key] = _share(model, item.resolved, most, jobs)
        work.append(known[key])
    return work


def most_rows(model: Model, job: Resolved) -> int:
    """Rows that a batch with this job may have: the cap counts default pictures, and one job is always a batch."""
    spec, own = model.spec, rows_of(job)
    default = spec.width * spec.height * (2 if spec.guidance > 1 else 1)
    if job.width * job.height < spec.width * spec.height:
        raise ValueError("the bound has no rule for pictures below the default size, which weigh more than they cost")
    return max(own, floor(spec.batch_cap * default / (job.width * job.height * job.frames)))


def _share(model: Model, job: Resolved, rows: int, jobs: int) -> float:
    own = rows_of(job)
    step = min(model.step_s(bucket(n), job) / n for n in range(own, rows + 1))
    return model.start_s / jobs + own * step * job.steps + model.decode_s(job)


def _companies(items: Sequence[Item], scale: float) -> list[tuple[int, int]]:
    """Rows and jobs that could share a batch with each: submitted before its goal, their own goal after its submission."""
    keys: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        keys[item.model, item.resolved.width, item.resolved.height, item.resolved.frames].append(place)
    found = [(0, 0)] * len(items)
    for places in keys.values():
        for place, company in zip(places, _overlaps([items[one] for one in places], scale), strict=True):
            found[place] = company
    return found


def _overlaps(items: Sequence[Item], scale: float) -> Iterable[tuple[int, int]]:
    starts = [item.at for item in items]
    ends = sorted((item.at + item.goal_s * scale, rows_of(item.resolved)) for item in items)
    begun = [0, *accumulate(rows_of(item.resolved) for item in items)]
    over, times = [0, *accumulate(rows for _, rows in ends)], [end for end, _ in ends]
    for item in items:
        came, went = bisect_right(starts, item.at + item.goal_s * scale), bisect_left(times, item.at)
        yield begun[came] - over[went], came - went


def _slot(items: Sequence[Item], scale: float) -> float:
    """So long that there are about `WINDOWS` variables, and no longer than a quarter of the shortest goal."""
    together = sum(item.goal_s * scale for item in items)
    return max(together / WINDOWS, min(item.goal_s * scale for item in items) / 8)


def _pieces(items: Sequence[Item], work: Sequence[float], scale: float, slot: float) -> list[Piece]:
    """Windows are rounded outwards, and work down."""
    alike: dict[tuple[int, int, float, float], int] = defaultdict(int)
    for item, work_s in zip(items, work, strict=True):
        first, last = floor(item.at / slot), ceil((item.at + item.goal_s * scale) / slot)
        alike[first, last, WEIGHTS[item.tier], floor(work_s * 1e4) / 1e4] += 1
    return [Piece(first=a, last=b, worth=c, work_s=d, jobs=n) for (a, b, c, d), n in alike.items()]


def _solve(pieces: Sequence[Piece], capacity_s: float) -> float:
    """Most worth; variables are seconds of a piece in a slot."""
    lengths = np.array([piece.last - piece.first for piece in pieces])
    owner = np.repeat(np.arange(len(pieces)), lengths)
    slots = np.concatenate([np.arange(piece.first, piece.last) for piece in pieces])
    count, variables = int(slots.max()) + 1, len(slots)
    density = np.array([piece.worth / piece.work_s for piece in pieces])[owner]
    rows = np.concatenate([slots, count + owner])
    columns = np.tile(np.arange(variables), 2)
    limits = np.concatenate([np.full(count, capacity_s), [piece.work_s * piece.jobs for piece in pieces]])
    matrix = coo_array((np.ones(2 * variables), (rows, columns)), shape=(count + len(pieces), variables)).tocsr()
    found = linprog(-density, A_ub=matrix, b_ub=limits, method="highs")
    if found.x is None:
        raise RuntimeError(f"the bound has no solution: {found.message}")
    return float(-found.fun)
