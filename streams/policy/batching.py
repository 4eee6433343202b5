"""The scheduler's decisions: which job goes next, with whom, to which worker, and when. No Kafka, no clock, no I/O.

A caller tells it what happens (`arrive`, `cancel`, `report`, `ended`, `sent`, `failed`) and, after each piece of news and
at `wake_at`, calls `expire` and then `form` until that answers None. `now` is the caller's clock in seconds since the epoch
(deadlines are absolute).

Nothing is bound to a worker before it has room, and whatever could run does: a free worker stays idle only
for company that is likely (see `company`; `batch_wait_s` at most), and when no job in the window can run on it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from itertools import islice

from msgspec import Struct

from contracts.events import TIERS
from contracts.pools import PoolState
from contracts.work import WorkerReport
from streams.policy.affinity import Takers, takers
from streams.policy.bill import Bill, Predicted, Prices
from streams.policy.company import Company
from streams.policy.cost import Costs
from streams.policy.fill import Caps, fill
from streams.policy.floor import Floor
from streams.policy.foresight import Foresight
from streams.policy.horizon import Horizon
from streams.policy.overflow import Overflow
from streams.policy.recall import Recall
from streams.policy.rush import Rush
from streams.policy.shares import Weight, equal
from streams.policy.turn import Turn, next_turn
from streams.policy.window import Waiting, Window
from streams.policy.workers import Worker, Workers

REMEMBERED = 20_000
"""Cancels and dispatched jobs that are remembered, to drop records of them that come later."""

STRANDED_S = 10.0
"""How long a job waits in front for a worker that can run it to appear, as one does that is only being restarted."""

MOVED_AT_ONCE = 200
"""Stranded jobs of one model and tier that are moved in one go."""


class Formed(Struct, frozen=True, kw_only=True, eq=False):
    """A batch, ready to be written."""

    jobs: Sequence[Waiting]
    """The first leads: it decided the key and the turn."""
    worker: str
    partition: int
    """Of `batches.<pool>`."""
    paid: Sequence[float] = ()
    """What each job's tenant was charged."""
    seconds: float = 0.0
    """How long it is predicted to run."""


class Scheduler:
    """One pool's window, workers and turn."""

    def __init__(
        self,
        caps: Caps,
        *,
        batch_wait_s: float,
        costs: Costs | None = None,
        weight: Weight = equal,
        floor: Floor | None = None,
        overflow: Overflow | None = None,
    ) -> None:
        """`costs`: predicts batches; without it a job costs its price, in company or alone.

        `overflow`: says how large the window is; without it there is no end to it.
        """
        self.caps = caps
        self.overflow = overflow or Overflow()
        self.horizon = Horizon()
        self.window = Window(weight)
        self.workers = Workers()
        self.floor = floor or Floor()
        self.foresight = Foresight(caps, costs, weight)
        self._costs = costs
        self._weight = weight
        self._batch_wait_s = batch_wait_s
        self._flights: dict[tuple[str, str, int], list[Waiting]] = {}
        """Jobs that left the window and are not safely elsewhere yet: their records, to be done with together."""
        self._cancelled: Recall[tuple[str, str], bool] = Recall(REMEMBERED)
        self._attempts: Recall[tuple[str, str], int] = Recall(REMEMBERED)
        self._aside: list[tuple[Waiting, int]] = []
        self._rush = Rush()
        self._company = Company()
        self._company_until: float | None = None
        self._next_free: float | None = None

    def arrive(self, job: Waiting, now: float) -> Sequence[Waiting]:
        """A record came. Returns the records that are done with because of it. See `set_aside` for those without room.

        Of two records of one job the newer one is held: it is the one whose acknowledgement counts if the same record was
        delivered again.
        """
        flight = self._flights.get(_run(job))
        if flight is not None:
            flight.append(job)
            return ()
        if job.name in self._cancelled or job.head.attempt <= self._attempts.get(job.name, 0):
            return (job,)
        held = self.window.find(job.name)
        if held is None:
            if self.overflow.admits(job, self.window):
                self.window.add(job, now)
                self.horizon.came(job, now)
            else:
                self._flights[_run(job)] = [job]
                self.foresight.aside(job)
                self._aside.append((job, self.overflow.put((job.tier, job.name[0]))))
            return ()
        if held.head.attempt > job.head.attempt:
            return (job,)
        self.window.remove(held)
        self.window.add(job, now)
        self.horizon.came(job, now)
        return (held,)

    def set_aside(self) -> list[tuple[Waiting, int]]:
        """Jobs that came since this was asked last and that there is no room for: to be written to overflow, then `moved`.

        With each the partition to write it to.
        """
        aside, self._aside = self._aside, []
        return aside

    def cancel(self, tenant: str, id: str) -> Waiting | None:
        """A job was cancelled: the record that is done with because of it. Its result is told elsewhere."""
        self._cancelled[tenant, id] = True
        held = self.window.find((tenant, id))
        if held is not None:
            self.window.remove(held)
        return held

    def expire(self, now: float) -> list[Waiting]:
        """Jobs whose deadline passed while they waited. They are out of the window; `landed` when that is told."""
        expired = []
        for job in self.window.expired(now):
            self._take_off(job)
            expired.append(job)
        return expired

    def report(self, report: WorkerReport, now: float) -> None:
        """A worker's report came in."""
        self.workers.report(report, now)
        self.foresight.report(report, now)

    def ended(self, partition: int, end: int) -> None:
        """The end offset of a partition of batches was learned."""
        self.workers.ended(partition, end)

    def form(self, now: float) -> Formed | None:
        """The next batch, or None if nothing can go. What it takes stays out of the window unless `failed` is called."""
        self.window.start_due(now)
        self._company_until = self._next_free = None
        free, held_back = list(self.workers.free(now)), list[Waiting]()
        try:
            while free:
                able = self._takers(free, now)
                turn = self._turn(able, now)
                if turn is None:
                    break
                worker = _best(able[turn.job.head.model], turn.job.head.model)
                if not self._may_find_company(turn.job, worker, able, now):
                    return self._take(turn, worker, now)
                # The worker is kept for it meanwhile: a less important job must not slip in front.
                self.window.hide(turn.job)
                held_back.append(turn.job)
                free.remove(worker)
            self._next_free = self.workers.next_free(now) if len(self.window) else None
            return None
        finally:
            for job in held_back:
                self.window.show(job)

    def wake_at(self) -> float | None:
        """When to ask again though nothing happened."""
        times = (self._company_until, self._next_free, self.window.next_time())
        return min((at for at in times if at is not None), default=None)

    def sent(self, formed: Formed, offset: int) -> list[Waiting]:
        """The batch was written at this offset. Returns the records that are done with."""
        self.workers.sent(formed.partition, offset)
        self.foresight.sent(formed, offset)
        return self.landed(formed.jobs)

    def landed(self, jobs: Iterable[Waiting]) -> list[Waiting]:
        """What became of these jobs is durable. Returns the records that are done with: theirs, and later ones of them."""
        done: list[Waiting] = []
        for job in jobs:
            self._attempts[job.name] = max(job.head.attempt, self._attempts.get(job.name, 0))
            done += self._flights.pop(_run(job))
        return done

    def stranded(self, now: float) -> list[Waiting]:
        """Jobs that have waited for long and that no live worker can run; out of the window. `moved` when that is done.

        They go to the end of their queue: where they are, they would keep what was finished behind them uncommitted, and
        in the end keep jobs out of the window that could run.
        """
        runnable = self.workers.models(now)
        if not runnable:
            return []  # no worker at all (scaled to zero, say): nothing passes them, so nothing is gained by moving them
        crowds = [crowd for tier in TIERS for model, crowd in self.window.models(tier).items() if model not in runnable]
        stranded = [job for crowd in crowds for job in islice(crowd, MOVED_AT_ONCE) if now - job.arrived > STRANDED_S]
        for job in stranded:
            self._take_off(job)
        return stranded

    def renewed(self, now: float) -> list[Waiting]:
        """Jobs that hold back what is committed, out of the window; `moved` when each has a record at the end of its queue."""
        renewed = []
        for job in self.horizon.behind(self.window, now, by_age=bool(self.workers.live(now))):
            self._take_off(job)
            self.overflow.keep_place(job)
            renewed.append(job)
        return renewed

    def moved(self, jobs: Iterable[Waiting], now: float) -> list[Waiting]:
        """Other records now stand for these, on their queues or in overflow. Returns the records that are done with."""
        done: list[Waiting] = []
        for job in jobs:
            for record in self._flights.pop(_run(job)):
                # The one that stands for it may have come back already.
                done += (record,) if (record.tier, record.offset) == (job.tier, job.offset) else self.arrive(record, now)
        return done

    def remember(self, tenant: str, id: str, attempt: int) -> None:
        """This run was dispatched before this scheduler's time: later records of it are none to act on."""
        self._attempts[tenant, id] = max(attempt, self._attempts.get((tenant, id), 0))

    def failed(self, formed: Formed, now: float) -> list[Waiting]:
        """The batch was certainly not written: its jobs wait again, in their places. Returns the records that are done with."""
        self.workers.unsent(formed.partition)
        done: list[Waiting] = []
        for job, paid in zip(formed.jobs, formed.paid, strict=True):
            records = self._flights.pop(_run(job))
            if records:
                self.window.refund(job, paid)
            done += self._land_again(records, now)
        return done

    def _land_again(self, records: list[Waiting], now: float) -> list[Waiting]:
        """Put the last of a job's records back; returns the others."""
        if not records or records[-1].name in self._cancelled:
            return records
        held = self.window.find(records[-1].name)
        if held is not None and held.head.attempt > records[-1].head.attempt:
            return records
        if held is not None:
            self.window.remove(held)
        self.window.add(records[-1], now)
        self.horizon.again(records[-1], now)
        return [*records[:-1], *([held] if held else [])]

    def forget_jobs(self) -> None:
        """The records belong to someone else now, or will be delivered again: none of them is anyone's business here."""
        self.window = Window(self._weight)
        self.overflow.start_over()
        self.horizon = Horizon()
        self._aside.clear()
        self._company_until = None
        for flight in self._flights.values():
            flight.clear()

    def news(self, pool: str, now: float) -> PoolState | None:
        """What waits, and how fast it goes, when it is time to tell; see `Foresight`."""
        return self.foresight.news(pool, self.window, self.overflow.there, self.workers, now)

    def could_run(self, now: float) -> bool:
        """Whether a free worker and a job for it are both here: true for long means that the caller is stuck."""
        return self._turn(self._takers(self.workers.free(now), now), now) is not None

    def _turn(self, able: Container[str], now: float) -> Turn | None:
        """Whose turn it is of those whose model a free worker can run."""
        return next_turn(self.window, self.floor, able, now, rush=self._rushes(now))

    def _rushes(self, now: float) -> bool:
        # Without predictions nobody knows what can be met.
        return self._costs is not None and self._rush.on(self.window, self.workers.count(), now)

    def _takers(self, free: Sequence[Worker], now: float) -> Takers:
        return takers(free, self.window, self.workers, self._costs, now)

    def _limit(self, lead: Waiting, worker: Worker, now: float) -> float:
        return min(self.caps.limit(lead.head), worker.limit(lead.head.batch_key, now))

    def _may_find_company(self, lead: Waiting, worker: Worker, able: Takers, now: float) -> bool:
        """Whether the only job of its key waits a little: for an idle worker, as a busy one gives it that time anyway."""
        until = lead.arrived + self._batch_wait_s
        if worker.outstanding or now >= until or self._limit(lead, worker, now) < lead.weight + 1:
            return False
        if self.window.alike(lead.key) > 1:
            return False
        if self._costs is not None:
            # Another idle worker takes who comes next at once: company would save what nobody needs.
            others = any(one is not worker and not one.outstanding for one in able[lead.head.model])
            worth_s = 0.0 if others else self._company.worth_s(lead, self._costs, worker.report.device, now)
            until = min(until, lead.arrived + worth_s)
        if now >= until:
            return False
        self._company_until = min(until, self._company_until or until)
        return True

    def _take(self, turn: Turn, worker: Worker, now: float) -> Formed:
        lead, paid = turn.job, list[float]()
        bill, limit = self._bill(lead, worker, now), self._limit(lead, worker, now)

        def take(job: Waiting) -> None:
            self._take_off(job)
            share, shares = self.window.share(job), self.window.shares[job.tier]
            paid.append(shares.charge(share, bill.add(job), freely=bool(turn.by_slack)))

        shares = self.window.shares[lead.tier]
        shares.turn(turn.share)
        take(lead)
        shares.expect(bill.seconds * limit / lead.weight)
        jobs = [lead]
        if limit > lead.weight and bill.pays():
            jobs = fill(lead, self.window, limit, now, take=take, in_time=bill.in_time, by_slack=turn.by_slack)
        self._ran(jobs, bill.seconds, now)
        self.floor.served(lead.tier, bill.seconds, self.window.jobs, out_of_turn=turn.out_of_turn)
        partition = self.workers.reserve(worker, model=lead.head.model, least_s=bill.least_s, now=now)
        return Formed(jobs=jobs, worker=worker.name, partition=partition, paid=paid, seconds=bill.seconds)

    def _ran(self, jobs: Sequence[Waiting], seconds: float, now: float) -> None:
        prices = [job.head.price_s for job in jobs]
        most_s = max(prices)
        self.window.ran(jobs[0], seconds / most_s if most_s else 1.0, now)
        self._rush.ran(seconds, sum(prices))
        self._company.left(jobs[0].key, len(jobs), now)

    def _bill(self, lead: Waiting, worker: Worker, now: float) -> Bill:
        if self._costs is None:
            return Prices()
        model, device = lead.head.model, worker.report.device
        load_s = 0.0 if worker.holds(model) else self._costs.load_s(model, device)
        return Predicted(self._costs, lead, device, load_s, worker.begins(now))

    def _take_off(self, job: Waiting) -> None:
        self.window.remove(job)
        self._flights[_run(job)] = [job]


def _run(job: Waiting) -> tuple[str, str, int]:
    return *job.name, job.head.attempt


def _best(free: Iterable[Worker], model: str) -> Worker:
    """Idle ones first, then the model's place among what a worker holds, then who got a batch longest ago."""
    able = [(one.outstanding, one.warmth[model], one.served, one.name, one) for one in free if model in one.warmth]
    return min(able)[-1]
