"""What is let in, and when: asks the limiter for a chunk of jobs at once, and sends each on or parks it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Raw

from contracts.codec import encode
from contracts.events import JobError
from contracts.metrics import Metrics
from contracts.records import Record
from contracts.topics import PARKED_S
from contracts.work import Parked, QueuedJob
from streams.policy.limit import EVERYBODY, FREE, Answer, Ask, Rates, patient, rates
from streams.policy.place import Placed
from streams.policy.price import too_dear
from streams.policy.rejected import Rejected
from streams.ports import Limiter, Tenancy
from streams.tell import Tell

AT_ONCE = Answer(start_at=0.0)
"""What the limiter need not be asked about."""

MARGIN_S = 0.5
"""By which a job leaves its line too early: a fetch and a transaction take their time, on a busy machine too."""

EARLY_S = PARKED_S[0] + MARGIN_S
"""A job whose turn comes so soon queues with its time in it: the scheduler wakes in time, a line does not."""

UNTOLD_S = 1.0
"""A refusal that is told again does not know how long it was; this long is no harm (seconds)."""


def busy(answer: Answer) -> JobError:
    """Told to a tenant that sends more than it is allowed."""
    after = math.ceil((answer.retry_after_s or UNTOLD_S) * 1000) / 1000
    message = f"tenant: more than its limit allows is waiting already; send the job again in {after:g} s"
    return JobError(code="busy", message=message, retryable=True, retry_after_s=after)


class Gate:
    """Between those who send and the queues. With nobody limited it asks nobody."""

    def __init__(self, limiter: Limiter, tenancy: Tenancy, metrics: Metrics) -> None:
        self.limiter = limiter
        self._tenancy = tenancy
        self._metrics = metrics

    def too_dear(self, placed: Placed) -> Rejected | None:
        """Why the job costs too much, if so."""
        return too_dear(placed.price_s, self._tenancy.of(placed.job.tenant).max_price_s)

    async def ask(self, jobs: Sequence[tuple[Placed, float | None]], now: float) -> list[Answer]:
        """An answer for each job, of which the deadline is given."""
        everybody = rates(self._tenancy.everybody)
        known: dict[str, Rates] = {}
        asks: dict[int, Ask] = {}
        for number, (placed, deadline) in enumerate(jobs):
            of = self._rates(placed.job.tenant, known)
            if of is not FREE or everybody is not FREE:
                asks[number] = _ask(placed, of, None if deadline is None else max(0.0, deadline - now))
        answers = [AT_ONCE] * len(jobs)
        if asks:
            for number, answer in zip(asks, await self.limiter.take(list(asks.values()), everybody), strict=True):
                answers[number] = answer
        return answers

    def _rates(self, tenant: str, known: dict[str, Rates]) -> Rates:
        of = known.get(tenant)
        if of is None:
            of = known[tenant] = rates(self._tenancy.of(tenant))
        return of

    async def give_back(self, jobs: Iterable[tuple[Placed, Answer]]) -> None:
        """These were asked for in vain."""
        known: dict[str, Rates] = {}
        took = [(placed, answer) for placed, answer in jobs if answer is not AT_ONCE and answer.retry_after_s is None]
        given = [(_ask(placed, self._rates(placed.job.tenant, known)), answer) for placed, answer in took]
        if given:
            await self.limiter.give_back(given, rates(self._tenancy.everybody))

    async def ask_everybodys(self, jobs: Sequence[QueuedJob]) -> list[Answer]:
        """An answer for each job whose tenant's turn has come."""
        everybody = rates(self._tenancy.everybody)
        asks = [Ask(tenant=EVERYBODY, rates=FREE, price_s=job.price_s) for job in jobs]
        return await self.limiter.take(asks, patient(everybody)) if asks and everybody is not FREE else [AT_ONCE] * len(jobs)

    def onward(self, tell: Tell, job: QueuedJob, answer: Answer, now: float, trace: bytes | None) -> Record:
        """An accepted job on its queue, or parked."""
        wait_s = answer.wait_s if answer.retry_after_s is None else answer.retry_after_s
        if not wait_s:
            return tell.queued(job, trace)
        self._metrics.deferred.labels(job.pool, job.tier).inc()
        start_at = answer.start_at - answer.wait_s + wait_s
        parked = Parked(start_at=start_at, look_at=0.0, paid=answer.paid, job=Raw(encode(job)))
        return park(tell, parked, job, wait_s, now, trace)


def _ask(placed: Placed, of: Rates, patience_s: float | None = None) -> Ask:
    return Ask(tenant=placed.job.tenant, rates=of, price_s=placed.price_s, patience_s=patience_s)


def park(tell: Tell, parked: Parked, job: QueuedJob, wait_s: float, now: float, trace: bytes | None) -> Record:
    """In the line that is done with it before its turn, and before it expires; on its queue if that is soon."""
    look_s = wait_s if job.deadline is None else min(wait_s, job.deadline - now)
    if look_s <= EARLY_S:
        soon = msgspec.structs.replace(job, not_before=now + wait_s) if wait_s > 0 else job
        return tell.queued(soon, trace)
    line = max(number for number, stays_s in enumerate(PARKED_S) if stays_s <= look_s - MARGIN_S)
    look_at = parked.start_at - wait_s + PARKED_S[line]
    return tell.parked(msgspec.structs.replace(parked, look_at=look_at), job, line, trace)
