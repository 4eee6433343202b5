"""Jobs that wait for a worker: who is next in each tier, and who could share a forward pass with whom.

Every operation costs O(1) or O(log n), whatever the backlog.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from contracts.events import TIERS, Tier
from streams.policy.crowd import Crowd
from streams.policy.demand import Demand, start_by
from streams.policy.recall import Recall
from streams.policy.shares import Share, Shares, Weight, equal
from streams.policy.timers import Timers
from streams.policy.waiting import Waiting

KEYS = 4096
"""Batch keys of which it is remembered how much longer their batches take than one job."""

PLACE_BYTES = 6_500
"""A job with a larger record takes more than one place: so many of them are 65 MB, of each tier."""


class Wanted:
    """What waits for a model, of all tiers."""

    __slots__ = ("jobs", "price_s", "since")

    def __init__(self, since: float) -> None:
        self.jobs = 0
        self.price_s = 0.0
        self.since = since
        """When the first of them came, or a batch of it was formed last."""


class Window:
    """All jobs that the scheduler holds: those that may go now, and those that have to wait for a time first."""

    def __init__(self, weight: Weight = equal) -> None:
        self.shares = {tier: Shares(weight) for tier in TIERS}
        """What each tenant of a tier has had."""
        self.jobs = dict.fromkeys(TIERS, 0)
        self.load = dict.fromkeys(TIERS, 0)
        """Places taken."""
        self.held: dict[Tier, dict[str, int]] = {tier: {} for tier in TIERS}
        """Of these, by tenant."""
        self.price = dict.fromkeys(TIERS, 0.0)
        """Predicted GPU-seconds."""
        self.demand = Demand()
        """By when it is due."""
        self.wanted: dict[str, Wanted] = {}
        """By model: of the jobs that may go now."""
        self._all: dict[tuple[str, str], Waiting] = {}
        self._by_model: dict[Tier, dict[str, Crowd]] = {tier: {} for tier in TIERS}
        self._by_key: dict[str, dict[Tier, Crowd]] = {}
        self._alike: dict[str, int] = {}
        self._stretch: Recall[str, float] = Recall(KEYS)
        self._delayed: set[Waiting] = set()
        self._starts = Timers(self._is_delayed)
        self._ends = Timers(self.holds)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Waiting]:
        """All of them, in no particular order."""
        return iter(self._all.values())

    def find(self, name: tuple[str, str]) -> Waiting | None:
        """The job of this tenant and id."""
        return self._all.get(name)

    def holds(self, job: Waiting) -> bool:
        """Whether this very record is in the window."""
        return self._all.get(job.name) is job

    def _is_delayed(self, job: Waiting) -> bool:
        return job in self._delayed

    def add(self, job: Waiting, now: float) -> None:
        """Take a job in; its name must not be here already."""
        self._all[job.name] = job
        self._count(job, 1)
        self._watch_deadline(job)
        if job.head.not_before > now:
            self._delayed.add(job)
            self._starts.add(job.head.not_before, job)
        else:
            self._enter(job, now)

    def remove(self, job: Waiting) -> None:
        """Let a job go."""
        del self._all[job.name]
        self._count(job, -1)
        if job in self._delayed:
            self._delayed.remove(job)
        else:
            self._leave(job)

    def start_due(self, now: float) -> None:
        """Jobs whose `not_before` has come may go from now on."""
        for job in self._starts.pop_due(now):
            self._delayed.remove(job)
            self._enter(job, now)

    def expired(self, now: float) -> Iterator[Waiting]:
        """Jobs whose deadline has come. Each is to be removed before the next is asked for."""
        return self._ends.pop_due(now)

    def next_time(self) -> float | None:
        """When a job becomes ready or expires next."""
        return min((at for at in (self._starts.next_time(), self._ends.next_time()) if at is not None), default=None)

    def models(self, tier: Tier) -> dict[str, Crowd]:
        """Jobs of one tier that may go now, by model."""
        return self._by_model[tier]

    def companions(self, key: str) -> dict[Tier, Crowd]:
        """Jobs with one key that may go now, by tier, most important first."""
        return self._by_key.get(key, {})

    def alike(self, key: str) -> int:
        """How many these are."""
        return self._alike.get(key, 0)

    def ran(self, lead: Waiting, stretch: float, now: float) -> None:
        """A batch was formed, and is predicted to run so many times longer than its largest job alone."""
        self._stretch[lead.key] = stretch
        if lead.head.model in self.wanted:
            self.wanted[lead.head.model].since = now

    def start_by(self, job: Waiting) -> float:
        """When a job has to start to be done by its deadline, in a batch like the last of its key, and told of."""
        return inf if job.head.deadline is None else start_by(job, self._stretch.get(job.key, 1.0))

    def hide(self, job: Waiting) -> None:
        """Leave a job out when asked who leads, until `show`."""
        self._unqueue(job)

    def show(self, job: Waiting) -> None:
        """The end of `hide`."""
        self._queue(job, self.share(job))

    def share(self, job: Waiting) -> Share:
        """Its tenant's, in its tier."""
        return self.shares[job.tier].of(job.head.tenant)

    def catch_up(self, tier: Tier) -> None:
        """Look whose turn it is by now: those who had least may have had more meanwhile, or have left."""
        fronts = [line.share for crowd in self._by_model[tier].values() if (line := crowd.front()) is not None]
        if fronts:
            self.shares[tier].turn(min(fronts, key=lambda share: share.spent))

    def refund(self, job: Waiting, paid: float) -> None:
        """A job that went did not go after all: its tenant gets back what it paid."""
        self.share(job).spent -= paid
        tenant, tier = job.head.tenant, job.tier
        for crowd in self._by_model[tier].values():
            crowd.again(tenant)
        for crowds in self._by_key.values():
            crowds[tier].again(tenant)

    def _watch_deadline(self, job: Waiting) -> None:
        if job.head.deadline is not None:
            self._ends.add(job.head.deadline, job)

    def _enter(self, job: Waiting, now: float) -> None:
        key, tier, share = job.key, job.tier, self.share(job)
        if not share.lines:
            crowd = self._by_model[tier].get(job.head.model)
            front = crowd.front() if crowd else None
            self.shares[tier].welcome(share, front.share if front else None)
        self._queue(job, share)
        self._want(job, now)
        self._alike[key] = self._alike.get(key, 0) + 1
        crowds = self._by_key.get(key)
        if crowds is None:
            crowds = self._by_key[key] = {tier: Crowd(self.start_by) for tier in TIERS}
        crowds[tier].push(job, share)

    def _leave(self, job: Waiting) -> None:
        key = job.key
        self._unqueue(job)
        self._want_no_more(job)
        self._by_key[key][job.tier].remove(job)
        self._alike[key] -= 1
        if not self._alike[key]:
            del self._by_key[key], self._alike[key]

    def _want(self, job: Waiting, now: float) -> None:
        wanted = self.wanted.get(job.head.model)
        if wanted is None:
            wanted = self.wanted[job.head.model] = Wanted(now)
        wanted.jobs += 1
        wanted.price_s += job.head.price_s

    def _want_no_more(self, job: Waiting) -> None:
        wanted = self.wanted[job.head.model]
        wanted.jobs -= 1
        wanted.price_s -= job.head.price_s
        if not wanted.jobs:
            del self.wanted[job.head.model]

    def _queue(self, job: Waiting, share: Share) -> None:
        """With others who wait for its model."""
        crowds, model = self._by_model[job.tier], job.head.model
        crowd = crowds.get(model)
        if crowd is None:
            crowd = crowds[model] = Crowd(self.start_by)
        share.lines += crowd.push(job, share)

    def _unqueue(self, job: Waiting) -> None:
        crowds, model = self._by_model[job.tier], job.head.model
        if crowds[model].remove(job):
            self.share(job).lines -= 1
            if not crowds[model]:
                del crowds[model]

    def _count(self, job: Waiting, sign: int) -> None:
        tier = job.tier
        self.demand.count(job, sign)
        self.jobs[tier] += sign
        places = sign * (1 + len(job.body) // PLACE_BYTES)
        self.load[tier] += places
        held, tenant = self.held[tier], job.name[0]
        if left := held.get(tenant, 0) + places:
            held[tenant] = left
        else:
            del held[tenant]
        # Sums of floats drift: an empty tier is exactly zero again.
        self.price[tier] = self.price[tier] + sign * job.head.price_s if self.jobs[tier] else 0.0
