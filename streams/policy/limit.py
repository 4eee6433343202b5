"""How fast work is let in: token buckets that lend. Pure: callers bring the time.

A bucket is one number: when it will be full again. Taking from it moves that moment on, past "empty" if need be: whoever
takes more than there is gets the moment at which it would have been there. So jobs above the rate are given their places
one after another, nobody has to count who waits, and losing a bucket costs at most one burst.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from contracts.tenants import Limits

BURST_GPU_S = 10.0
"""Left out of the limits, a burst is so many seconds' worth of GPU time; of jobs one second's, as they differ less."""

BACKLOG_S = 3600.0
"""Left out, an allowance is so many seconds' worth of the rate."""

FORGET_EVERY = 4096
"""Buckets more before those that are full, and so say nothing, are let go."""

EVERYBODY = ""
"""Name of the bucket of all tenants together: no tenant has this name."""


class Rate(NamedTuple):
    """Of one kind of thing: jobs, or GPU-seconds."""

    per_s: float
    """0: not limited."""
    burst: float
    backlog: float
    """How much more may be lent at most."""


class Rates(NamedTuple):
    """A tenant's, or everybody's."""

    jobs: Rate
    gpu: Rate


NO_RATE = Rate(0.0, 0.0, 0.0)
FREE = Rates(NO_RATE, NO_RATE)
"""Nothing is limited."""


class Ask(Struct, frozen=True, kw_only=True):
    """One job wants in."""

    tenant: str
    """`EVERYBODY`: what its tenant owes is settled already, and only the limit on all together counts."""
    rates: Rates
    price_s: float
    """Predicted GPU-seconds."""
    patience_s: float | None = None
    """How long it may wait: beyond that it would expire, and is not worth a place."""


class Answer(Struct, frozen=True, kw_only=True):
    """When it may go."""

    start_at: float
    """On the limiter's clock (`Limiter.now`)."""
    wait_s: float = 0.0
    """From when it was asked until then. 0: at once."""
    paid: bool = True
    """Whether everybody's bucket was asked, too. A job that waits for its tenant's takes from that one when it goes."""
    retry_after_s: float | None = None
    """Not let in, nor given a place: not before this is there any use in asking again. None: let in."""


class Taken(NamedTuple):
    """What taking from one bucket would lead to."""

    wait_s: float
    retry_after_s: float
    """Above 0: more than may be lent."""
    full_at: tuple[float, float]


def rates(limits: Limits) -> Rates:
    """With everything that was left out filled in; `FREE` itself where nothing is limited."""
    jobs, gpu = limits.jobs_per_s, limits.gpu_s_per_s
    if jobs is None and gpu is None:
        return FREE
    return Rates(
        NO_RATE if jobs is None else _rate(jobs, limits.burst_jobs, max(1.0, jobs), limits.backlog_jobs),
        NO_RATE if gpu is None else _rate(gpu, limits.burst_gpu_s, gpu * BURST_GPU_S, limits.backlog_gpu_s),
    )


def patient(of: Rates) -> Rates:
    """The same for jobs that are accepted already: whatever is owed, they get a place."""
    return Rates(of.jobs._replace(backlog=math.inf), of.gpu._replace(backlog=math.inf))


def _rate(per_s: float, burst: float | None, usual: float, backlog: float | None) -> Rate:
    return Rate(per_s, usual if burst is None else burst, per_s * BACKLOG_S if backlog is None else backlog)


def peek(full_at: tuple[float, float], ask: Ask, of: Rates, now: float, share: float = 1.0) -> Taken:
    """Look what taking would lead to. `share`: of the rates, the part that this process may give away."""
    jobs = _peek(full_at[0], 1.0, of.jobs, now, share)
    gpu = _peek(full_at[1], ask.price_s, of.gpu, now, share)
    wait = max(jobs[0], gpu[0])
    impatient = wait - ask.patience_s if ask.patience_s is not None else 0.0
    return Taken(wait, max(jobs[1], gpu[1], impatient), (jobs[2], gpu[2]))


def _peek(full_at: float, cost: float, rate: Rate, now: float, share: float) -> tuple[float, float, float]:
    if not rate.per_s:
        return 0.0, 0.0, 0.0
    per_s = rate.per_s * share
    after = max(full_at, now) + cost / per_s
    # What is dearer than the whole burst goes once the bucket is full: never would be the alternative.
    wait = max(0.0, after - now - max(rate.burst * share, cost) / per_s)
    over = wait * per_s - rate.backlog * share
    return wait, (over / per_s if over > 1e-6 * per_s else 0.0), after


class Buckets:
    """Everybody's buckets, in this process."""

    def __init__(self) -> None:
        self._full_at: dict[str, tuple[float, float]] = {}
        self._forget_at = FORGET_EVERY

    def take(self, asks: Sequence[Ask], everybody: Rates, now: float, share: float = 1.0) -> list[Answer]:
        """Let in, give a place, or refuse, in this order."""
        answers = [self._take(ask, everybody, now, share) for ask in asks]
        self._forget(now)
        return answers

    def _take(self, ask: Ask, everybody: Rates, now: float, share: float) -> Answer:
        own = peek(self._of(ask.tenant), ask, ask.rates, now, share)
        alone = ask.tenant == EVERYBODY
        pays = alone or not own.wait_s
        shared = peek(self._of(EVERYBODY), ask, everybody, now, share) if pays else own
        retry_after_s = max(shared.retry_after_s, 0.0 if alone else own.retry_after_s)
        if retry_after_s:
            return Answer(start_at=now, paid=False, retry_after_s=retry_after_s)
        if not alone:
            self._full_at[ask.tenant] = own.full_at
        if pays:
            self._full_at[EVERYBODY] = shared.full_at
        return Answer(start_at=now + shared.wait_s, wait_s=shared.wait_s, paid=pays)

    def give_back(self, given: Sequence[tuple[Ask, Answer]], everybody: Rates, share: float = 1.0) -> None:
        """These went nowhere: what they took is there for those who come next."""
        for ask, answer in given:
            self._give_back(ask.tenant, ask, ask.rates, share)
            if answer.paid:
                self._give_back(EVERYBODY, ask, everybody, share)

    def _give_back(self, name: str, ask: Ask, of: Rates, share: float) -> None:
        jobs, gpu = self._of(name)
        self._full_at[name] = _returned(jobs, 1.0, of.jobs, share), _returned(gpu, ask.price_s, of.gpu, share)

    def learn(self, name: str, full_at: tuple[float, float]) -> None:
        """What somebody who knows better says of a bucket."""
        self._full_at[name] = full_at

    def _of(self, name: str) -> tuple[float, float]:
        return self._full_at.get(name, (0.0, 0.0))

    def _forget(self, now: float) -> None:
        if len(self._full_at) >= self._forget_at:
            self._full_at = {name: full_at for name, full_at in self._full_at.items() if max(full_at) > now}
            self._forget_at = len(self._full_at) + FORGET_EVERY


def _returned(full_at: float, cost: float, rate: Rate, share: float) -> float:
    return full_at - cost / (rate.per_s * share) if rate.per_s else full_at
