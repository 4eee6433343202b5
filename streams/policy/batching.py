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

from contracts.events import TIERS
from contracts.pools import PoolState
from contracts.work import WorkerReport
from streams.policy.affinity import Takers, takers
from streams.policy.bill import Bill, Predicted, Prices
from streams.policy.company import Company
from streams.policy.cost import Costs
from streams.policy.fill import MISFITS, Caps, Limit, fill
from streams.policy.floor import Floor
from streams.policy.foresight import Foresight
from streams.policy.holding import Holding
from streams.policy.memory import Fit
from streams.policy.overflow import Overflow
from streams.policy.rush import Rush
from streams.policy.shares import Weight, equal
from streams.policy.turn import Turn, next_turn
from streams.policy.waiting import Formed, Waiting
from streams.policy.workers import Worker, Workers

STRANDED_S = 10.0
"""How long a job waits in front for a worker that can run it to appear, as one does that is only being restarted."""

MOVED_AT_ONCE = 200
"""Stranded jobs of one model and tier that are moved in one go."""


class Scheduler(Holding):
    """One pool's jobs, workers and turn."""

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
        super().__init__(weight, overflow or Overflow(), Foresight(caps, costs, weight))
        self.caps = caps
        self.workers = Workers()
        self.fit = Fit(costs, self.workers)
        self.floor = floor or Floor()
        self._costs = costs
        self._batch_wait_s = batch_wait_s
        self._rush = Rush()
        self._company = Company()
        self._company_until: float | None = None
        self._next_free: float | None = None

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
            while (found := self._next(free, held_back, now)) is not None:
                turn, worker, able = found
                if not self._may_find_company(turn.job, worker, able, now):
                    return self._take(turn, worker, now)
                # The worker is kept for it meanwhile: a less important job must not slip in front.
                self._hold_back(turn.job, held_back)
                free.remove(worker)
            self._next_free = self.workers.next_free(now) if len(self.window) else None
            return None
        finally:
            self._let_go(held_back)

    def wake_at(self) -> float | None:
        """When to ask again though nothing happened."""
        times = (self._company_until, self._next_free, self.window.next_time())
        return min((at for at in times if at is not None), default=None)

    def sent(self, formed: Formed, offset: int) -> list[Waiting]:
        """The batch was written at this offset. Returns the records that are done with."""
        self.workers.sent(formed.partition, offset)
        self.foresight.sent(formed, offset)
        return self.landed(formed.jobs)

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
            self.take_off(job)
        return stranded

    def renewed(self, now: float) -> list[Waiting]:
        """Jobs that hold back what is committed, out of the window; `moved` when each has a record at the end of its queue."""
        renewed = []
        for job in self.horizon.behind(self.window, now, by_age=bool(self.workers.live(now))):
            self.take_off(job)
            self.overflow.keep_place(job)
            renewed.append(job)
        return renewed

    def failed(self, formed: Formed, now: float) -> list[Waiting]:
        """The batch was certainly not written: its jobs wait again, in their places. Returns the records that are done with."""
        self.workers.unsent(formed.partition)
        pairs = zip(formed.jobs, formed.paid, strict=True)
        return [record for job, paid in pairs for record in self.land_again(job, paid, now)]

    def news(self, pool: str, now: float) -> PoolState | None:
        """What waits, and how fast it goes, when it is time to tell; see `Foresight`."""
        return self.foresight.news(pool, self.window, self.overflow.there, self.workers, now)

    def could_run(self, now: float) -> bool:
        """Whether a free worker and a job for it are both here: true for long means that the caller is stuck."""
        held_back = list[Waiting]()
        try:
            return self._next(self.workers.free(now), held_back, now) is not None
        finally:
            self._let_go(held_back)

    def _next(self, free: Sequence[Worker], held_back: list[Waiting], now: float) -> tuple[Turn, Worker, Takers] | None:
        """Who goes next, and where; jobs left for a worker with more memory are held back until the decision is made."""
        able = self._takers(free, now)
        passed: list[str] = []
        while (turn := self._turn(able, now)) is not None:
            model = turn.job.head.model
            worker = _best(able[model], model)
            if self.fit.has_room(turn.job, worker):
                return turn, worker, able
            if roomy := self.fit.choose(turn.job, able[model], free):
                return turn, _best(roomy, model), able
            self._hold_back(turn.job, held_back)
            passed.append(model)
            if passed.count(model) >= MISFITS:
                able = {other: several for other, several in able.items() if other != model}
        return None

    def _hold_back(self, job: Waiting, held_back: list[Waiting]) -> None:
        self.window.hide(job)
        held_back.append(job)

    def _let_go(self, held_back: Sequence[Waiting]) -> None:
        for job in held_back:
            self.window.show(job)

    def _turn(self, able: Container[str], now: float) -> Turn | None:
        """Whose turn it is of those whose model a free worker can run."""
        return next_turn(self.window, self.floor, able, now, rush=self._rushes(now))

    def _rushes(self, now: float) -> bool:
        # Without predictions nobody knows what can be met.
        return self._costs is not None and self._rush.on(self.window, self.workers.count(), now)

    def _takers(self, free: Sequence[Worker], now: float) -> Takers:
        return self.fit.with_strays(takers(free, self.window, self.workers, self._costs, now), free, self.window)

    def _limit(self, lead: Waiting, worker: Worker, now: float) -> Limit:
        weight = min(self.caps.limit(lead.head), worker.limit(lead.head.batch_key, now))
        return Limit(weight, self.fit.rows(lead, worker))

    def _may_find_company(self, lead: Waiting, worker: Worker, able: Takers, now: float) -> bool:
        """Whether the only job of its key waits a little: for an idle worker, as a busy one gives it that time anyway."""
        until = lead.arrived + self._batch_wait_s
        if worker.outstanding or now >= until or not self._limit(lead, worker, now).has_room_beside(lead):
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
            self.take_off(job)
            share, shares = self.window.share(job), self.window.shares[job.tier]
            paid.append(shares.charge(share, bill.add(job), freely=bool(turn.by_slack)))

        shares = self.window.shares[lead.tier]
        shares.turn(turn.share)
        take(lead)
        shares.expect(bill.seconds * limit.like(lead))
        jobs = [lead]
        if limit.weight > lead.weight and bill.pays():
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


def _best(free: Iterable[Worker], model: str) -> Worker:
    """Idle ones first, then the model's place among what a worker holds, then who got a batch longest ago."""
    able = [(one.outstanding, one.warmth[model], one.served, one.name, one) for one in free if model in one.warmth]
    return min(able)[-1]
