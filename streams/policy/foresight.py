"""What the scheduler says of its pool once a second, so that anybody can forecast when a job will be done.

Nothing here is paid by a job that only waits: what waits is counted when it is asked for, and of those that run a few are
held against their forecasts.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from contracts.events import TIERS, Tier
from contracts.pools import ModelQueue, PoolState, TenantQueue, TierQueue
from contracts.work import WorkerReport
from streams.policy.calibrate import Calibration
from streams.policy.cost import Costs, work_of
from streams.policy.shares import Weight, equal

if TYPE_CHECKING:
    from streams.policy.fill import Caps
    from streams.policy.waiting import Formed, Waiting
    from streams.policy.window import Window
    from streams.policy.workers import Worker, Workers

Aside = Mapping[tuple[Tier, str], int]
"""By tier and tenant: jobs in overflow."""

TOLD = 8
"""Tenants of a tier that are told of by name."""

EVERY_S = 1.0
"""Between two states (seconds)."""

SOON_S = 0.25
"""The same when much has changed."""

MUCH = 0.3
"""Part by which what waits has to have changed for that."""

LOOKED_AT = 4_000
"""Waiting jobs that are counted one by one; each of a larger window's stands for several (a millisecond or two)."""

RECENT = 48
"""Batches by which it is judged what full ones would gain."""

CALM_S = 3.0
"""Time constant of how much work comes (seconds)."""

USUAL_S = 60.0
"""The same of how much usually comes."""

JUDGED = 60
"""Forecasts that are judged between two states: enough to learn from, few enough to cost nothing."""

SETTLE_S = 0.025
"""From the report that a batch is through to its results (seconds)."""

UNREAD = 4096
"""Batches under way in a partition that are remembered: no worker has so many."""


class Foresight:
    """Watches what one scheduler does."""

    def __init__(self, caps: Caps, costs: Costs | None, weight: Weight = equal) -> None:
        self.calibration = Calibration()
        self._caps, self._costs, self._weight = caps, costs, weight
        self._running: dict[int, deque[tuple[int, Waiting]]] = {}
        self._recent: deque[tuple[Waiting, float]] = deque(maxlen=RECENT)
        self._sent = self._sent_before = self._next = 0
        self._every = 1
        self._served: dict[tuple[Tier, str], float] = {}
        self._coming: dict[tuple[Tier, str], float] = {}
        self._usual = dict.fromkeys(TIERS, 0.0)
        self._before: dict[tuple[Tier, str], float] = {}
        self._seen = dict.fromkeys(TIERS, 0.0)
        self._told_at: float | None = None
        self._told_jobs = 0
        self._judged: Counter[bool] = Counter()
        self._began = 0.0

    def sent(self, formed: Formed, offset: int) -> None:
        """A batch is in its partition."""
        for job in formed.jobs:
            head, key = job.head, (job.tier, job.head.tenant)
            self._served[key] = self._served.get(key, 0.0) + head.price_s
            self._seen[job.tier] = max(self._seen[job.tier], head.admitted_at)
            self._sent += 1
            if self._sent >= self._next and head.forecast_s and head.attempt == 1:
                self._next = self._sent + self._every
                self._running.setdefault(formed.partition, deque(maxlen=UNREAD)).append((offset, job))
        lead = formed.jobs[0]
        self._recent.append((lead, self._caps.limit(lead.head)))

    def aside(self, job: Waiting) -> None:
        """A job went to overflow: what waits there is counted by the scheduler, too."""
        self._seen[job.tier] = max(self._seen[job.tier], job.head.admitted_at)

    def report(self, report: WorkerReport, now: float) -> None:
        """A worker says how far it is: the batches before that have run."""
        for partition, position in report.positions.items():
            running = self._running.get(partition)
            while running and running[0][0] < position:
                _, job = running.popleft()
                took_s = now + SETTLE_S - job.head.admitted_at
                self.calibration.learn(job.head.forecast_s, took_s)
                if job.head.said_s is not None:
                    low_s, high_s = job.head.said_s
                    self._judged[low_s <= took_s <= high_s] += 1

    def judged(self) -> Counter[bool]:
        """Since this was asked last: jobs that were done within what had been told, and jobs that were not."""
        judged, self._judged = self._judged, Counter()
        return judged

    def news(self, pool: str, window: Window, aside: Aside, workers: Workers, now: float) -> PoolState | None:
        """How the pool is, once a second and sooner when much has changed; None: it is not time yet."""
        return self._state(pool, window, aside, workers, now) if self._due(window, workers, now) else None

    def _due(self, window: Window, workers: Workers, now: float) -> bool:
        passed = inf if self._told_at is None else now - self._told_at
        if passed >= EVERY_S or passed < SOON_S:
            return passed >= EVERY_S
        return abs(len(window) - self._told_jobs) > max(len(workers.all()), MUCH * self._told_jobs)

    def _state(self, pool: str, window: Window, aside: Aside, workers: Workers, now: float) -> PoolState:
        everyone = list(workers.all())
        gain, full = self._gain()
        counted = _count(window)
        _add(counted, aside, now)
        self._follow(counted, now)
        self._every, self._sent_before = 1 + (self._sent - self._sent_before) // JUDGED, self._sent
        self._told_jobs = len(window)
        for (tier, _), one in counted.items():
            self._seen[tier] = max(self._seen[tier], one.newest_at)
        return PoolState(
            pool=pool,
            at=now,
            workers=len(everyone),
            free=any(not one.outstanding for one in everyone),
            busy_s=sum(max(0.0, one.through_at - now) for one in everyone if one.outstanding) / max(1, len(everyone)),
            gain=gain,
            full=full,
            tiers={tier: self._tier(tier, counted) for tier in TIERS},
            models={model: self._model(model, window, everyone) for model in self._models(window, everyone)},
            bands=self.calibration.bands(),
        )

    def _gain(self) -> tuple[float, float]:
        """What full batches of what ran lately would get through, against one at a time."""
        alone = together = jobs = 0.0
        for lead, limit in {(one.key, limit): (one, limit) for one, limit in self._recent}.values():
            times = sum(1 for one, _ in self._recent if one.key == lead.key)
            size = max(1, int(limit / lead.weight))
            jobs += times * size
            alone += times * size * lead.head.price_s
            together += times * self._seconds(lead, size)
        return (alone / together, jobs / len(self._recent)) if together else (1.0, 1.0)

    def _seconds(self, lead: Waiting, size: int) -> float:
        if self._costs is None:
            return lead.head.price_s * size
        work = work_of(lead.head.resolved)
        return self._costs.estimate(lead.head.model, lead.head.batch_key, work.times(size)).seconds

    def _follow(self, counted: dict[tuple[Tier, str], _Counted], now: float) -> None:
        """How much comes: what is there and what went, less what was there before."""
        if self._told_at is None:
            self._began = now
        passed = 0.0 if self._told_at is None else now - self._told_at
        keys = counted.keys() | self._before.keys() | self._served.keys() | self._coming.keys()
        waiting = {key: one.gpu_s for key, one in counted.items()}
        keep = 0.0 if passed <= 0 else CALM_S / (CALM_S + passed)
        coming = {}
        for key in keys if passed > 0 else ():
            came = max(0.0, waiting.get(key, 0.0) + self._served.get(key, 0.0) - self._before.get(key, 0.0))
            rate = keep * self._coming.get(key, 0.0) + (1 - keep) * came / passed
            if rate > 1e-4:
                coming[key] = rate
        self._coming = coming or self._coming
        for tier in TIERS:
            slow = min(1.0, passed / min(USUAL_S, CALM_S + now - self._began))
            self._usual[tier] += slow * (self._rate(tier) - self._usual[tier])
        self._before, self._served, self._told_at = waiting, {}, now

    def _rate(self, tier: Tier) -> float:
        return sum(rate for (of, _), rate in self._coming.items() if of == tier)

    def _tier(self, tier: Tier, counted: dict[tuple[Tier, str], _Counted]) -> TierQueue:
        ours = {tenant: one for (of, tenant), one in counted.items() if of == tier}
        gone = {tenant for of, tenant in self._coming if of == tier} - ours.keys()
        ours |= {tenant: _Counted(oldest_at=0.0, newest_at=0.0) for tenant in gone}
        most = sorted(ours.items(), key=lambda pair: -pair[1].gpu_s - CALM_S * self._coming.get((tier, pair[0]), 0.0))[:TOLD]
        return TierQueue(
            jobs=sum(one.jobs for one in ours.values()),
            gpu_s=sum(one.gpu_s for one in ours.values()),
            coming=self._rate(tier),
            usual=self._usual[tier],
            seen_at=self._seen[tier],
            tenants=[self._tenant(tier, tenant, one) for tenant, one in most],
        )

    def _tenant(self, tier: Tier, tenant: str, one: _Counted) -> TenantQueue:
        return TenantQueue(
            tenant=tenant,
            jobs=one.jobs,
            gpu_s=one.gpu_s,
            coming=self._coming.get((tier, tenant), 0.0),
            oldest_at=one.oldest_at,
            newest_at=one.until,
            weight=self._weight(tenant),
        )

    def _models(self, window: Window, everyone: Iterable[Worker]) -> set[str]:
        return {*window.wanted, *(model for one in everyone for model in one.models())}

    def _model(self, model: str, window: Window, everyone: Iterable[Worker]) -> ModelQueue:
        wanted = window.wanted.get(model)
        return ModelQueue(
            gpu_s=wanted.price_s if wanted else 0.0,
            holders=sum(one.holds(model) for one in everyone),
            load_s=self._costs.load_s(model) if self._costs else 0.0,
        )


class _Counted:
    """What one tenant has waiting in one tier."""

    __slots__ = ("gpu_s", "jobs", "newest_at", "oldest_at", "overflow_at")

    def __init__(self, *, oldest_at: float, newest_at: float) -> None:
        self.jobs, self.gpu_s, self.oldest_at, self.newest_at = 0, 0.0, oldest_at, newest_at
        self.overflow_at = 0.0
        """By when the last job in overflow was admitted, at the latest; 0: none is there."""

    @property
    def until(self) -> float:
        return max(self.newest_at, self.overflow_at)


def _count(window: Window) -> dict[tuple[Tier, str], _Counted]:
    step = 1 + len(window) // LOOKED_AT
    counted: dict[tuple[Tier, str], _Counted] = {}
    for job in islice(window, 0, None, step):
        head = job.head
        one = counted.get((job.tier, head.tenant))
        if one is None:
            one = counted[job.tier, head.tenant] = _Counted(oldest_at=head.admitted_at, newest_at=head.admitted_at)
        one.jobs += step
        one.gpu_s += step * head.price_s
        one.newest_at = max(one.newest_at, head.admitted_at)
        one.oldest_at = min(one.oldest_at, head.admitted_at)
    return counted


def _add(counted: dict[tuple[Tier, str], _Counted], aside: Aside, now: float) -> None:
    """What waits in overflow, which is only counted: each job as dear as those of its tenant in the window, or as all."""
    jobs = sum(one.jobs for one in counted.values())
    usual = sum(one.gpu_s for one in counted.values()) / jobs if jobs else 0.0
    for owner, left in aside.items():
        one = counted.get(owner)
        if one is None:
            one = counted[owner] = _Counted(oldest_at=now, newest_at=0.0)
        one.overflow_at = now
        one.gpu_s += left * (one.gpu_s / one.jobs if one.jobs else usual)
        one.jobs += left
