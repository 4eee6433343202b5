"""Jobs that wait for a worker: who is next in each tier, and who could share a forward pass with whom.

Every operation costs O(1), or O(log n) where a time is involved, whatever the backlog.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterator

from msgspec import Struct

from contracts.events import TIERS, Tier
from contracts.work import QueuedHead
from streams.policy.timers import Timers


class Waiting(Struct, frozen=True, kw_only=True, eq=False):
    """One job in the window. Compared by identity: the same job read twice is two of these."""

    head: QueuedHead
    name: tuple[str, str]
    """Tenant and id."""
    tier: Tier
    """Of the topic it came from, which decides, whatever the job itself says."""
    offset: int
    """Of its record in the topic of its tier: first in, first out."""
    arrived: float
    """When the scheduler got it, on the scheduler's clock."""
    weight: float
    """Its part of a batch's size limit: 1 for the model's default size."""
    body: bytes
    """The `QueuedJob` as it came."""
    ticket: object = None
    """The caller's own, handed back untouched."""

    @property
    def key(self) -> str:
        """Equal for jobs that may share a batch."""
        head = self.head
        return f"{head.batch_key}|{head.group}" if head.group else head.batch_key


class Lane:
    """Jobs in the order in which they go. A linked dictionary: any job leaves it in O(1) and leaves nothing behind.

    The seam for fairness: what decides between tenants of one tier replaces this class.
    """

    __slots__ = ("_jobs",)

    def __init__(self) -> None:
        self._jobs: OrderedDict[tuple[str, str], Waiting] = OrderedDict()

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._jobs.values())

    def push(self, job: Waiting) -> None:
        """To the end, or to the place of the record of the same job that is here already."""
        self._jobs[job.name] = job

    def push_front(self, job: Waiting) -> None:
        """Before all others."""
        self._jobs[job.name] = job
        self._jobs.move_to_end(job.name, last=False)

    def remove(self, job: Waiting) -> None:
        """Out of the middle, too."""
        del self._jobs[job.name]

    def first(self, skip: Container[Waiting]) -> Waiting | None:
        """The first that is not to be skipped; few ever are."""
        for job in self._jobs.values():
            if job not in skip:
                return job
        return None


class Window:
    """All jobs that the scheduler holds: those that may go now, and those that have to wait for a time first."""

    def __init__(self) -> None:
        self.jobs = dict.fromkeys(TIERS, 0)
        self.bytes = dict.fromkeys(TIERS, 0)
        self.price = dict.fromkeys(TIERS, 0.0)
        """Predicted GPU-seconds."""
        self._all: dict[tuple[str, str], Waiting] = {}
        self._by_model: dict[Tier, dict[str, Lane]] = {tier: {} for tier in TIERS}
        self._by_key: dict[str, dict[Tier, Lane]] = {}
        self._alike: dict[str, int] = {}
        self._delayed: set[Waiting] = set()
        self._starts = Timers(self._is_delayed)
        self._ends = Timers(self.holds)

    def __len__(self) -> int:
        return len(self._all)

    def find(self, name: tuple[str, str]) -> Waiting | None:
        """The job of this tenant and id."""
        return self._all.get(name)

    def holds(self, job: Waiting) -> bool:
        """Whether this very record is in the window."""
        return self._all.get(job.name) is job

    def _is_delayed(self, job: Waiting) -> bool:
        return job in self._delayed

    def add(self, job: Waiting, now: float, *, front: bool = False) -> None:
        """Take a job in; its name must not be here already. `front`: it goes before the others of its tier."""
        self._all[job.name] = job
        self._count(job, 1)
        self._watch_deadline(job)
        if job.head.not_before > now:
            self._delayed.add(job)
            self._starts.add(job.head.not_before, job)
        else:
            self._enter(job, front=front)

    def remove(self, job: Waiting) -> None:
        """Let a job go."""
        del self._all[job.name]
        self._count(job, -1)
        if job in self._delayed:
            self._delayed.remove(job)
        else:
            self._leave(job)

    def replace(self, old: Waiting, new: Waiting, now: float) -> None:
        """Let another record of the same job stand for it, in its place where they queue alike."""
        if self._queue_alike(old, new) and new.head.not_before <= now:
            self._all[new.name] = new
            self._count(old, -1)
            self._count(new, 1)
            for lane in self._lanes(new):
                lane.push(new)
            self._watch_deadline(new)
        else:
            self.remove(old)
            self.add(new, now)

    def _queue_alike(self, old: Waiting, new: Waiting) -> bool:
        same = (old.tier, old.head.model, old.key) == (new.tier, new.head.model, new.key)
        return same and old not in self._delayed

    def start_due(self, now: float) -> None:
        """Jobs whose `not_before` has come may go from now on, behind those that could already."""
        for job in self._starts.pop_due(now):
            self._delayed.remove(job)
            self._enter(job, front=False)

    def expired(self, now: float) -> Iterator[Waiting]:
        """Jobs whose deadline has come. Each is to be removed before the next is asked for."""
        return self._ends.pop_due(now)

    def next_time(self) -> float | None:
        """When a job becomes ready or expires next."""
        return min((at for at in (self._starts.next_time(), self._ends.next_time()) if at is not None), default=None)

    def models(self, tier: Tier) -> dict[str, Lane]:
        """Jobs of one tier that may go now, by model."""
        return self._by_model[tier]

    def companions(self, key: str) -> dict[Tier, Lane]:
        """Jobs with one key that may go now, by tier, most important first."""
        return self._by_key[key]

    def alike(self, key: str) -> int:
        """How many these are."""
        return self._alike[key]

    def _watch_deadline(self, job: Waiting) -> None:
        if job.head.deadline is not None:
            self._ends.add(job.head.deadline, job)

    def _enter(self, job: Waiting, *, front: bool) -> None:
        key = job.key
        self._alike[key] = self._alike.get(key, 0) + 1
        for lane in self._lanes(job):
            if front:
                lane.push_front(job)
            else:
                lane.push(job)

    def _lanes(self, job: Waiting) -> tuple[Lane, Lane]:
        """Where the job queues: with its model's, and with its key's."""
        head, tier = job.head, job.tier
        by_model = self._by_model[tier].get(head.model)
        if by_model is None:
            by_model = self._by_model[tier][head.model] = Lane()
        by_key = self._by_key.get(job.key)
        if by_key is None:
            by_key = self._by_key[job.key] = {tier: Lane() for tier in TIERS}
        return by_model, by_key[tier]

    def _leave(self, job: Waiting) -> None:
        head, key = job.head, job.key
        by_model, by_key = self._lanes(job)
        by_model.remove(job)
        by_key.remove(job)
        if not by_model:
            del self._by_model[job.tier][head.model]
        self._alike[key] -= 1
        if not self._alike[key]:
            del self._by_key[key], self._alike[key]

    def _count(self, job: Waiting, sign: int) -> None:
        tier = job.tier
        self.jobs[tier] += sign
        self.bytes[tier] += sign * len(job.body)
        # Sums of floats drift: an empty tier is exactly zero again.
        self.price[tier] = self.price[tier] + sign * job.head.price_s if self.jobs[tier] else 0.0
