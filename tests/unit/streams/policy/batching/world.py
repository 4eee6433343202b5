"""A small world around the scheduler that knows the truth: queues, workers, a log of batches. Complains when it is wronged.

It restates the promises naively, by looking at everything each time, so that it shares no cleverness with the code.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from contracts.events import TIERS, Tier
from contracts.work import QueuedHead, Resolved, Squeezed, WorkerReport
from streams.policy.waiting import Waiting
from streams.policy.workers import SILENT_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.policy.batching import Scheduler
    from streams.policy.waiting import Formed

WAIT_S = 0.005
CAP = 3.0
PARTITIONS = 4
MODELS = {"a": "m1", "b": "m1", "c": "m2", "d": "absent"}
"""Batch key to model."""


class Violation(AssertionError):
    """A promise was broken."""


class FixedCaps:
    """Three jobs a batch; heavy ones count twice."""

    def weight(self, head: QueuedHead) -> float:
        return float(head.resolved.count)

    def limit(self, _: QueuedHead) -> float:
        return CAP


@dataclass(kw_only=True, eq=False)
class Entry:
    """A record on a queue."""

    head: QueuedHead
    tier: Tier
    offset: int
    ended: bool = False
    """Done with in the present era; what was acknowledged stays so in the next."""
    plain: bool = True
    """Went through the window in its order: never delayed, doubled or put back."""
    invited: bool = False
    """Came from overflow, or stands for an older record."""


@dataclass(kw_only=True, eq=False)
class Ticket:
    entry: Entry
    era: int


@dataclass(kw_only=True)
class TrueWorker:
    """A worker as it is, and as it last said."""

    name: str
    models: list[str]
    slots: int = 2
    owned: list[int] = field(default_factory=list)
    generation: int = 0
    told: WorkerReport | None = None
    told_at: float = -1e9
    squeezed: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Batch key to what did not fit its device, and when."""


class World:
    def __init__(self, scheduler: Scheduler, room: float = inf) -> None:
        """`room`: of the window, as the scheduler was told."""
        self.scheduler = scheduler
        self.room = room
        self.setting: list[list[tuple[Waiting, int]]] = []
        """On their way to overflow."""
        self.overflow: list[list[tuple[Tier, QueuedHead]]] = [[], []]
        self.now = 1000.0
        self.era = 0
        self.entries: dict[Tier, list[Entry]] = {tier: [] for tier in TIERS}
        self.held: dict[int, tuple[Waiting, Ticket]] = {}
        """By identity: what the scheduler holds, in the window or in flight."""
        self.flying: list[Formed] = []
        self.telling: list[list[Waiting]] = []
        self.moving: list[list[Waiting]] = []
        self.cancelled: set[tuple[str, str]] = set()
        self.superseded: Counter[str] = Counter()
        self.runs: Counter[tuple[str, int]] = Counter()
        self.expired: set[tuple[str, int]] = set()
        self.log: list[int] = [0] * PARTITIONS
        self.finished: list[int] = [0] * PARTITIONS
        self.generation = 1
        self.workers = [
            TrueWorker(name="w0", models=["m1", "m2"]),
            TrueWorker(name="w1", models=["m2", "m1"]),
            TrueWorker(name="w2", models=["m1"], slots=1),
        ]
        self.cost = self.out_of_turn = self.largest = 0.0
        for partition in range(PARTITIONS):
            scheduler.ended(partition, 0)

    # -- what happens

    def queue(self, tier: Tier, head: QueuedHead, *, invited: bool = False) -> None:
        entry = Entry(head=head, tier=tier, offset=len(self.entries[tier]), plain=not invited, invited=invited)
        self.entries[tier].append(entry)
        self._deliver(entry)

    def _deliver(self, entry: Entry) -> None:
        head = entry.head
        ticket, name = Ticket(entry=entry, era=self.era), (head.tenant, head.id)
        job = Waiting(
            head=head,
            name=name,
            tier=entry.tier,
            offset=entry.offset,
            arrived=self.scheduler.overflow.came(entry.tier, name, self.now) if entry.invited else self.now,
            invited=entry.invited,
            weight=float(head.resolved.count),
            body=b"x" * 10,
            ticket=ticket,
        )
        same = [t.entry for _, t in self.held.values() if t.entry.head.id == head.id]
        for one in [*same, *([entry] if same else [])]:
            one.plain = False
        self.held[id(job)] = (job, ticket)
        mine, all_of_it, aside = self._load(job)
        self._end(self.scheduler.arrive(job, self.now))
        self.scheduler.horizon.read_to(entry.tier, entry.offset)
        came_in = self._load(job)[0] > mine
        if came_in and not same and not entry.invited and head.attempt == 1 and mine + 1 + all_of_it > self.room:
            raise Violation(f"{head.tenant} has {mine} of {all_of_it} jobs in a window of {self.room}, and got one more")
        if self._collect_aside() and not mine and not aside and all_of_it < self.room:
            raise Violation(f"{head.tenant} has nothing in the window, and may not come in")

    def _load(self, job: Waiting) -> tuple[int, int, bool]:
        """Jobs of the same tenant and tier in the window, all of this tier, and whether any are elsewhere, going or coming."""
        away, owner = self.away(), (job.tier, job.name[0])
        here = [one for key, (one, _) in self.held.items() if key not in away and self.scheduler.window.holds(one)]
        inside = [(one.tier, one.name[0]) for one in here if one.tier == job.tier]
        outside = [(tier, head.tenant) for front in self.overflow for tier, head in front]
        going = [(one.tier, one.name[0]) for group in self.setting for one, _ in group]
        return inside.count(owner), len(inside), owner in [*outside, *going] or bool(self.moving)

    def _collect_aside(self) -> bool:
        aside = self.scheduler.set_aside()
        if aside:
            self.setting.append(aside)
        return bool(aside)

    def write_aside(self, index: int) -> None:
        """Overflow takes what there was no room for."""
        group = self.setting.pop(index)
        for job, place in group:
            self.overflow[place].append((job.tier, job.head))
            self.scheduler.overflow.written(place, 1)
        jobs = [job for job, _ in group]
        self._end_flown(jobs, self.scheduler.moved(jobs, self.now))
        self._collect_aside()

    def pull(self) -> None:
        """What may come back from overflow does."""
        overflow, window = self.scheduler.overflow, self.scheduler.window
        for place, front in enumerate(self.overflow):
            while front:
                tier, head = front[0]
                owner = (tier, head.tenant)
                overflow.met(owner, place)
                if not overflow.invites(owner, window):
                    self._make_way(owner, place)
                    break
                if window.jobs[tier] >= self.room:
                    raise Violation("a job was fetched from overflow for a full window")
                del front[0]
                overflow.left(owner, place)
                if self.runs[head.id, head.attempt] or (head.tenant, head.id) in self.cancelled:
                    continue  # the caller asks the job store
                overflow.invite(owner)
                self.queue(tier, head, invited=True)

    def _make_way(self, owner: tuple[Tier, str], place: int) -> None:
        overflow, front = self.scheduler.overflow, self.overflow[place]
        if overflow.stands_before(owner, place, self.scheduler.window):
            there = overflow.elsewhere(owner, place)
            self.overflow[there].append(front.pop(0))
            overflow.moved_on(place, there)

    def renew(self) -> None:
        """Jobs that hold back commits are written again."""
        renewed = self.scheduler.renewed(self.now)
        if renewed:
            self.moving.append(renewed)
            for job in renewed:
                self.queue(job.tier, job.head, invited=True)

    def _end(self, jobs: Iterable[Waiting]) -> None:
        for job in jobs:
            if self.held.pop(id(job), None) is None:
                raise Violation(f"{job.name} was done with twice")
            ticket = job.ticket
            assert isinstance(ticket, Ticket)
            if ticket.era == self.era:
                ticket.entry.ended = True

    def cancel(self, job_id: str) -> None:
        self.cancelled.add(("t", job_id))
        dropped = self.scheduler.cancel("t", job_id)
        self._end([dropped] if dropped else [])

    def reassign(self, owners: list[int]) -> None:
        """The consumer group of the workers rebalances."""
        self.generation += 1
        for number, worker in enumerate(self.workers):
            worker.owned = [p for p in range(PARTITIONS) if owners[p] == number]
            worker.generation = self.generation

    def tell(self, number: int, *, leaving: bool = False) -> None:
        worker = self.workers[number]
        worker.told = WorkerReport(
            worker=worker.name,
            pool="default",
            at=self.now,
            generation=worker.generation,
            leaving=leaving,
            positions={p: self.finished[p] for p in worker.owned},
            models=worker.models,
            slots=worker.slots,
            squeezed={key: Squeezed(weight=weight, ago_s=self.now - at) for key, (weight, at) in worker.squeezed.items()},
        )
        worker.told_at = self.now
        self.scheduler.report(worker.told, self.now)

    def squeeze(self, number: int, key: str, weight: float) -> None:
        """A worker's device runs out of memory; it says so at once."""
        self.workers[number].squeezed[key] = weight, self.now
        self.tell(number)

    def finish(self, partition: int) -> None:
        self.finished[partition] = min(self.finished[partition] + 1, self.log[partition])

    def write(self, index: int) -> None:
        """The broker takes a batch, and says so."""
        formed = self.flying.pop(index)
        offset = self.log[formed.partition]
        self.log[formed.partition] += 1
        for job in formed.jobs:
            self.runs[job.head.id, job.head.attempt] += 1
            if self.runs[job.head.id, job.head.attempt] > 1:
                raise Violation(f"{job.head.id} was dispatched twice")
        self._end_flown(formed.jobs, self.scheduler.sent(formed, offset))

    def refuse(self, index: int) -> None:
        """The broker certainly does not take a batch."""
        formed = self.flying.pop(index)
        for job in formed.jobs:
            ticket = job.ticket
            assert isinstance(ticket, Ticket)
            ticket.entry.plain = False
        done = self.scheduler.failed(formed, self.now)
        if self.era_of(formed.jobs[0]) == self.era:
            self._end(done)
        else:
            self._end_flown(formed.jobs, done)

    def tell_expiry(self, index: int) -> None:
        jobs = self.telling.pop(index)
        self.expired |= {(job.head.id, job.head.attempt) for job in jobs}
        self._end_flown(jobs, self.scheduler.landed(jobs))

    def strand(self) -> None:
        """The scheduler looks for jobs that nobody can run, and they are written again."""
        stranded = self.scheduler.stranded(self.now)
        able = {m for w in self.workers if View(self).alive(w) for m in w.models}
        for job in stranded:
            if job.head.model in able:
                raise Violation(f"{job.head.id} was set back though {able} can run")
        if stranded:
            self.moving.append(stranded)
            for job in stranded:
                self.queue(job.tier, job.head)

    def move(self, index: int) -> None:
        jobs = self.moving.pop(index)
        self._end_flown(jobs, self.scheduler.moved(jobs, self.now))
        self._collect_aside()

    def _end_flown(self, jobs: Iterable[Waiting], done: Iterable[Waiting]) -> None:
        """What flew over a change of era is nobody's any more; only later records of it can be done with."""
        self._end(done)
        for job in jobs:
            if self.era_of(job) != self.era:
                self.held.pop(id(job), None)

    @staticmethod
    def era_of(job: Waiting) -> int:
        assert isinstance(job.ticket, Ticket)
        return job.ticket.era

    def away(self) -> set[int]:
        """What has left the window for somewhere."""
        setting = [[job for job, _ in group] for group in self.setting]
        groups = [*(formed.jobs for formed in self.flying), *self.telling, *self.moving, *setting]
        return {id(job) for jobs in groups for job in jobs}

    def redeliver(self) -> None:
        """A new generation of the scheduler's own group: all that is not committed comes again."""
        self.era += 1
        self.scheduler.forget_jobs()
        for place, front in enumerate(self.overflow):
            self.scheduler.overflow.found(place, len(front))
        flown = self.away()
        self.held = {key: value for key, value in self.held.items() if key in flown}
        for tier in TIERS:
            for entry in self.entries[tier]:
                entry.plain = False
                # What was dispatched or acknowledged is skipped by the caller, which knows offsets.
                if not entry.ended and not self._dispatched(entry):
                    self._deliver(entry)
                entry.ended = entry.ended or self._dispatched(entry)

    def _dispatched(self, entry: Entry) -> bool:
        return self.runs[entry.head.id, entry.head.attempt] > 0

    # -- the scheduler's turn, and what to think of it

    def pump(self) -> None:
        expired = self.scheduler.expire(self.now)
        if expired:
            self.telling.append(expired)
        while True:
            view = View(self)
            formed = self.scheduler.form(self.now)
            if formed is None:
                view.check_idle(self.scheduler.wake_at())
                return
            view.check(formed)
            self.flying.append(formed)

    def settle(self) -> None:
        """Let all that can happen happen; then nothing may be left."""
        self.reassign([0, 1, 2, 0])
        self.workers[0].models.append("absent")
        for _ in range(40):
            self.now += 1.0
            for number in range(len(self.workers)):
                self.tell(number)
            self.pump()
            while self.flying:
                self.write(0)
            while self.telling:
                self.tell_expiry(0)
            while self.moving:
                self.move(0)
            while self.setting:
                self.write_aside(0)
            self.pull()
            self.finished = list(self.log)
            if not self.held and not len(self.scheduler.window) and not any(self.overflow):
                break
        self._check_all_ended()

    def _check_all_ended(self) -> None:
        entries = [entry for tier in TIERS for entry in self.entries[tier]]
        if left := [entry.head.id for entry in entries if not entry.ended]:
            raise Violation(f"never done with: {left}")
        if any(self.overflow):
            raise Violation("jobs were left in overflow while there was room")
        latest = {entry.head.id: max(e.head.attempt for e in entries if e.head.id == entry.head.id) for entry in entries}
        for job, attempt in latest.items():
            fate = self.runs[job, attempt] + ((job, attempt) in self.expired) + (("t", job) in self.cancelled)
            if not fate:
                raise Violation(f"{job} attempt {attempt} vanished")


class View:
    """The scheduler's position before a decision, seen naively."""

    def __init__(self, world: World) -> None:
        self.world = world
        away = world.away()
        window = world.scheduler.window
        self.waiting = [
            job
            for key, (job, _) in world.held.items()
            if key not in away and window.holds(job) and job.head.not_before <= world.now
        ]
        self.owner = self._owners()
        self.room = {worker.name: self._room(worker) for worker in world.workers}
        self.load = {worker.name: self._load(worker) for worker in world.workers}

    def alive(self, worker: TrueWorker) -> bool:
        return worker.told is not None and not worker.told.leaving and self.world.now <= worker.told_at + SILENT_S

    def _owners(self) -> dict[int, str]:
        claims: dict[int, tuple[int, float, str]] = {}
        for worker in self.world.workers:
            if worker.told is None or not self.alive(worker):
                continue
            for partition in worker.told.positions:
                claim = (worker.told.generation, worker.told.at, worker.name)
                claims[partition] = max(claims.get(partition, claim), claim)
        return {partition: name for partition, (_, _, name) in claims.items()}

    def _load(self, worker: TrueWorker) -> int:
        if worker.told is None:
            return 0
        mine = [p for p in worker.told.positions if self.owner.get(p) == worker.name]
        written = sum(max(0, self.world.log[p] - worker.told.positions[p]) for p in mine)
        return written + sum(formed.partition in mine for formed in self.world.flying)

    def _room(self, worker: TrueWorker) -> bool:
        owns = any(name == worker.name for name in self.owner.values())
        return self.alive(worker) and owns and self._load(worker) < worker.slots

    def _able(self, job: Waiting) -> list[TrueWorker]:
        return [w for w in self.world.workers if self.room[w.name] and job.head.model in w.models]

    def _may_wait(self, job: Waiting) -> bool:
        """For company: it is the only one of its key, and it has only just come."""
        alone = not any(one is not job and _key(one) == _key(job) for one in self.waiting)
        return alone and job.weight < CAP and self.world.now < job.arrived + WAIT_S

    def check_idle(self, wake_at: float | None) -> None:
        """Each job that waits for company may keep one worker idle, no more, no longer."""
        waiters = [job for job in self.waiting if self._may_wait(job) and self._able(job)]
        until = max((job.arrived + WAIT_S for job in waiters), default=self.world.now)
        for job in self.waiting:
            able = self._able(job)
            if job not in waiters and len(able) > len(waiters):
                raise Violation(f"{job.head.id} waits while {able[0].name} has room")
            if able and (wake_at is None or wake_at > until):
                raise Violation(f"nobody will wake up for {job.head.id}")

    def check(self, formed: Formed) -> None:
        self._check_worker(formed)
        self._check_batch(formed)
        self._check_turn(formed)

    def _check_worker(self, formed: Formed) -> None:
        lead = formed.jobs[0]
        if self.owner.get(formed.partition) != formed.worker:
            raise Violation(f"partition {formed.partition} is not {formed.worker}'s")
        if formed.worker not in [worker.name for worker in self._able(lead)]:
            raise Violation(f"{formed.worker} has no room, is dead or cannot run {lead.head.model}")
        idle = [w.name for w in self._able(lead) if not self.load[w.name]]
        kept = any(self._may_wait(job) for job in self.waiting)
        if self.load[formed.worker] and idle and not kept:
            raise Violation(f"a batch was stacked on {formed.worker} while {idle} were idle")

    def _check_batch(self, formed: Formed) -> None:
        jobs, now, limit = formed.jobs, self.world.now, self._limit(formed)
        if len({_key(job) for job in jobs}) != 1 or len(set(map(id, jobs))) != len(jobs):
            raise Violation("jobs of different keys or groups, or one twice, in a batch")
        if len(jobs) > 1 and sum(job.weight for job in jobs) > limit + 1e-6:
            raise Violation("a batch over its limit")
        for job in jobs:
            head = job.head
            if job not in self.waiting or (head.deadline is not None and head.deadline <= now):
                raise Violation(f"{head.id} was not to go: expired, not due yet, or not there")
            if job.name in self.world.cancelled:
                raise Violation(f"{head.id} was cancelled")
        light = all(job.weight == 1 for job in self.waiting)
        alone = len({j.head.tenant for j in self.waiting if j.tier == jobs[0].tier}) == 1
        left = [j for j in self.waiting if j not in jobs and _key(j) == _key(jobs[0])]
        left = [j for j in left if alone or j.tier != jobs[0].tier]  # another tenant may be behind, and wait for its turn
        if light and len(jobs) + 1 <= limit - 1e-6 and left:
            raise Violation("a batch left with room for jobs of its key")

    def _limit(self, formed: Formed) -> float:
        """Half of what did not fit, and all of it ten minutes later."""
        worker = next(w for w in self.world.workers if w.name == formed.worker)
        weight, at = worker.squeezed.get(formed.jobs[0].head.batch_key, (2 * CAP, 0.0))
        return min(CAP, weight / 2 + weight / 2 * (self.world.now - at) / 600)

    def _check_turn(self, formed: Formed) -> None:
        world, lead = self.world, formed.jobs[0]
        worker = next(w for w in world.workers if w.name == formed.worker)
        rivals = [j for j in self.waiting if j.head.model in worker.models and j is not lead and not self._may_wait(j)]
        cost = sum(job.head.price_s for job in formed.jobs)
        world.cost += cost
        world.largest = max(world.largest, cost)
        if any(TIERS.index(job.tier) < TIERS.index(lead.tier) for job in rivals):
            world.out_of_turn += cost
            # Two tiers may be owed a share each.
            if world.out_of_turn > 2 * (0.05 * world.cost + world.largest):
                raise Violation("less important tiers got more than their floor")
        tier = [j for j in rivals if j.tier == lead.tier]
        own = [j for j in tier if j.head.tenant == lead.head.tenant]
        if len({j.head.tenant for j in tier}) > 1:
            # Of two who had the same, each is first where one model's jobs wait: whose older jobs wait for another is open.
            own = [j for j in own if j.head.model == lead.head.model]
        peers = [j for j in own if _plain(lead) and _plain(j)]
        unfair = [j for j in peers if (j.arrived, j.offset) < (lead.arrived, lead.offset)]
        if unfair:
            raise Violation(f"{lead.head.id} went before {unfair[0].head.id} of its own tenant")


def _key(job: Waiting) -> tuple[str, str]:
    return job.head.batch_key, job.head.group


def _plain(job: Waiting) -> bool:
    assert isinstance(job.ticket, Ticket)
    return job.ticket.entry.plain and job.head.not_before == 0.0 and job.head.deadline is None


def head(job_id: str, key: str, **changes: object) -> QueuedHead:
    count = changes.pop("count", 1)
    assert isinstance(count, int)
    shape = Resolved(width=64, height=64, steps=1, guidance=1.0, seed=0, count=count, frames=1, fps=1)
    values = {"id": job_id, "tenant": "t", "tier": "ordinary", "model": MODELS[key], "engine": "noop", "batch_key": key}
    return QueuedHead(**{**values, "price_s": 1.0, "submitted_at": 0.0, "resolved": shape, **changes})  # type: ignore[arg-type]
