"""The loop around the scheduler's decisions: takes records in, and has sent what was decided (`streams/send.py`).

Neither knows Faust or aiokafka: what they need of them are the Protocols there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from contracts.codec import Decoder, Invalid
from contracts.events import TIERS, Tier
from contracts.headers import INVITED
from contracts.metrics import Metrics
from contracts.topics import Topics
from contracts.work import QueuedHead, WorkerReport
from streams.dispatched import Tail
from streams.policy.batching import Scheduler
from streams.policy.recall import Recall
from streams.policy.waiting import Formed, Waiting
from streams.send import Sender, Ticket, Wire, done_with

TICK_S = 0.25
"""How often the scheduler looks around without news: workers fall silent and gauges move unasked."""

SEND_S = 120.0
"""Longer than Kafka's own time limits: what is on its way for so long hangs."""

REMEMBERED = 65_536
"""Dispatched records of a tier that are remembered: more than the chunk ledger lets pass an unfinished one."""

head_of = Decoder(QueuedHead)


class DispatchOptions(Struct, frozen=True, kw_only=True):
    """Limits of one pool's dispatcher."""

    aside_jobs: int = 10_000
    """Jobs on their way to overflow; a chunk more may come on top."""
    away_s: float
    """A process that stood still for so long may have lost its queues without knowing (seconds)."""


class Dispatcher:
    """One pool's loop: news in, batches out."""

    def __init__(
        self,
        *,
        pool: str,
        topics: Topics,
        scheduler: Scheduler,
        wire: Wire,
        metrics: Metrics,
        options: DispatchOptions,
        clock: Callable[[], float],
    ) -> None:
        self.scheduler = scheduler
        self.active = False
        """Whether the pool's queues are this process's, and it knows what was dispatched before."""
        self.pool = pool
        self._metrics = metrics
        self._options = options
        self._tidied = 0.0
        self._clock = clock
        self._dispatched: dict[Tier, Recall[int, bool]] = {tier: Recall(REMEMBERED) for tier in TIERS}
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._aside = 0
        self.left = asyncio.Event()
        """Set whenever jobs have left the window, or have gone to overflow; cleared by whoever waits for it."""
        self._sending: dict[asyncio.Future[None], float] = {}
        self._last_sent = clock()
        self._failure: str | None = None
        self._sender = Sender(
            pool=pool,
            topics=topics,
            scheduler=scheduler,
            wire=wire,
            metrics=metrics,
            clock=clock,
            dispatched=self._remember,
        )

    # -- news

    def take_over(self, tail: Tail) -> None:
        """The queues are ours: what was dispatched before, and where the batches end."""
        for tier, offset, run in tail.dispatched:
            self._dispatched[tier][offset] = True
            self.scheduler.remember(run.tenant, run.id, run.attempt)
        for tier, offset in tail.aside:
            self._dispatched[tier][offset] = True
        for partition, end in tail.ends.items():
            self.scheduler.ended(partition, end)
        self._last_sent, self.active = self._clock(), True
        self._news.set()

    def let_go(self) -> None:
        """The queues are someone else's, or will be delivered again."""
        self.active = False
        self.scheduler.forget_jobs()

    async def room(self) -> None:
        """Returns when more jobs may come: what the window has no room for must not pile up on its way to overflow."""
        while self._aside >= self._options.aside_jobs:
            self._room.clear()
            await self._room.wait()

    def take(self, tier: Tier, records: Iterable[Any], ticket: Ticket) -> None:
        """Records of a queue came."""
        now, known, arrive, last = self._clock(), self._dispatched[tier], self.scheduler.arrive, 0
        for record in records:
            last = record.offset
            if last in known:
                ticket.done()
                continue
            try:
                head = head_of(record.value)
            except Invalid as error:
                self._start(self._sender.unreadable(record, error, ticket))
                continue
            done_with(arrive(self._waiting(head, tier, record, ticket, now), now))
        self.scheduler.horizon.read_to(tier, last)
        self._set_aside()
        self._news.set()

    def _waiting(self, head: QueuedHead, tier: Tier, record: Any, ticket: Ticket, now: float) -> Waiting:
        name = (head.tenant, head.id)
        invited = bool(record.headers) and record.headers[0] == INVITED
        return Waiting(
            head=head,
            name=name,
            tier=tier,
            offset=record.offset,
            arrived=self.scheduler.overflow.came(tier, name, now) if invited else now,
            weight=self.scheduler.caps.weight(head),
            body=record.value,
            ticket=ticket,
            invited=invited,
        )

    def _set_aside(self) -> None:
        aside = self.scheduler.set_aside()
        if aside:
            self._aside += len(aside)
            self._start(self._write_aside(aside))

    async def _write_aside(self, jobs: Sequence[tuple[Waiting, int]]) -> None:
        await self._sender.aside(jobs)
        self._aside -= len(jobs)
        self._room.set()
        self.left.set()

    def report(self, report: WorkerReport) -> None:
        """A worker reported."""
        self.scheduler.report(report, self._clock())
        self._news.set()

    def cancel(self, tenant: str, id: str) -> None:
        """A job was cancelled."""
        dropped = self.scheduler.cancel(tenant, id)
        if dropped is not None:
            done_with([dropped])
            self.left.set()

    # -- the loop

    async def run(self) -> None:
        """Decide whenever there is news or a time has come. Ends by being cancelled."""
        looked, held = self._clock(), False
        while True:
            await self._wait()
            self._news.clear()
            now = self._clock()
            if held and now - looked > self._options.away_s:
                # The group may have given the queues to another scheduler meanwhile. Even if that is known by now, what
                # was on its way when this process stood still is not to be trusted.
                self._fail(f"this process stood still for {now - looked:.1f} s")
            if self.active:
                self._pass(now)
            self._show()
            looked, held = now, self.active

    async def _wait(self) -> None:
        at = self.scheduler.wake_at() if self.active else None
        pause = TICK_S if at is None else min(TICK_S, max(0.0, at - self._clock()))
        # Not wait_for: on Python 3.11 it loses a cancellation that comes together with the news.
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._news.wait()

    def _pass(self, now: float) -> None:
        expired = self.scheduler.expire(now)
        if expired:
            self._start(self._sender.expired(expired, now))
        batches: list[Formed] = []
        while (formed := self.scheduler.form(now)) is not None:
            batches.append(formed)
        if batches:
            self._last_sent = now
            self._start(self._sender.batches(batches, now))
        tidied = self._tidy(now)
        self._set_aside()
        if expired or batches or tidied:
            self.left.set()

    def _tidy(self, now: float) -> bool:
        if now - self._tidied < TICK_S:
            return False
        self._tidied = now
        stranded = self.scheduler.stranded(now)
        if stranded:
            self._start(self._sender.back(stranded))
        renewed = self.scheduler.renewed(now)
        if renewed:
            self._start(self._sender.renew(renewed))
        return bool(stranded)

    def stuck(self, patience_s: float) -> str | None:
        """Why this loop cannot be relied on any more, if so. To be asked regularly by someone else."""
        if self._failure:
            return self._failure
        now = self._clock()
        if any(now - since > SEND_S for since in self._sending.values()):
            return f"a batch or an outcome is on its way since {SEND_S:.0f} s"
        if not (self.active and self.scheduler.could_run(now)):
            self._last_sent = now
        idle = now - self._last_sent
        return f"a free worker has had no batch for {idle:.0f} s though there are jobs for it" if idle > patience_s else None

    async def drain(self) -> None:
        """Returns when all that is being sent has arrived."""
        while self._sending:
            await asyncio.wait(set(self._sending))

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._sending[task] = self._clock()
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[None]) -> None:
        del self._sending[task]
        self._news.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Whether it arrived is unknown, and only a new start can find out.
            self._fail(f"sending failed for good ({type(error).__name__})")

    def _fail(self, why: str) -> None:
        self._failure, self.active = self._failure or why, False

    def _remember(self, jobs: Iterable[Waiting]) -> None:
        for job in jobs:
            self._dispatched[job.tier][job.offset] = True

    def _show(self) -> None:
        window = self.scheduler.window
        for within, jobs in self.scheduler.foresight.judged().items():
            self._metrics.eta.labels(self.pool, "yes" if within else "no").inc(jobs)
        self._metrics.overflow.labels(self.pool).set(self.scheduler.overflow.jobs())
        for tier in TIERS:
            self._metrics.waiting_jobs.labels(self.pool, tier).set(window.jobs[tier])
            self._metrics.waiting_gpu.labels(self.pool, tier).set(window.price[tier])
        self._metrics.workers.labels(self.pool).set(self.scheduler.workers.live(self._clock()))
