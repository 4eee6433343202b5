"""A limiter in Redis (or what speaks like it): one script call for a chunk of jobs, on the clock of the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from infra.cache.link import TIMEOUT_S, RedisLink
from infra.limiter.local import LocalLimiter
from infra.limiter.steady import steady_clock
from infra.settings import Cache
from streams.policy.limit import EVERYBODY, FREE, Answer, Ask, Rates

SCRIPT = Path(__file__).with_name("take.lua").read_text()

TAKE, GIVE_BACK, GIVE_ALL_BACK = 0, 1, 2

Order = tuple[Ask, int]


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What the script says."""

    now: float
    answers: list[tuple[float, float, float]]
    full_at: list[tuple[float, float]]


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Reply).decode


class RedisLimiter:
    """`streams.ports.Limiter` for any number of processes.

    While the server is away each goes on by itself, from what it last heard and with its share of the rates.
    """

    def __init__(
        self,
        settings: Cache,
        share: Callable[[], float] = lambda: 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        without = "each process limits its share of the jobs by itself"
        self._link = RedisLink(settings, what="the limiter's Redis", without=without, clock=clock, timeout_s=timeout_s)
        self._script = self._link.redis.register_script(SCRIPT)
        self._prefix = f"{settings.prefix}{{limits}}:"  # the braces keep all buckets on one node of a cluster
        self._clock = clock
        self._ahead = steady_clock()() - clock()
        self._local = LocalLimiter(share, self.now)

    def now(self) -> float:
        """See `Limiter.now`: the server's clock, as last heard."""
        return self._ahead + self._clock()

    async def take(self, asks: Sequence[Ask], everybody: Rates) -> list[Answer]:
        """See `Limiter.take`."""
        reply = await self._ask([(ask, TAKE) for ask in asks], everybody)
        if reply is None:
            return await self._local.take(asks, everybody)
        return [_answer(reply.now, *one) for one in reply.answers]

    async def give_back(self, given: Sequence[tuple[Ask, Answer]], everybody: Rates) -> None:
        """See `Limiter.give_back`."""
        orders = [(ask, GIVE_ALL_BACK if answer.paid else GIVE_BACK) for ask, answer in given]
        if await self._ask(orders, everybody) is None:
            await self._local.give_back(given, everybody)

    async def close(self) -> None:
        """See `Limiter.close`."""
        await self._link.close()

    async def _ask(self, orders: Sequence[Order], everybody: Rates) -> Reply | None:
        names = list(dict.fromkeys([EVERYBODY, *(ask.tenant for ask, _ in orders)]))
        keys = [self._prefix + name for name in names]
        said = _said(names, orders, everybody)
        asked_at = self._clock()
        answer: bytes | None = await self._link.ask(lambda: self._script(keys=keys, args=[said]), None)
        if answer is None:
            return None
        reply = _unpack(answer)
        self._ahead = reply.now - (asked_at + self._clock()) / 2
        for name, full_at in zip(names, reply.full_at, strict=True):
            self._local.buckets.learn(name, full_at)
        return reply


def _said(names: Sequence[str], orders: Iterable[Order], everybody: Rates) -> bytes:
    place = {name: number for number, name in enumerate(names, 1)}
    rates = dict.fromkeys(names, FREE) | {ask.tenant: ask.rates for ask, _ in orders} | {EVERYBODY: everybody}
    asks = [
        (place[ask.tenant], ask.price_s, -1 if ask.patience_s is None else max(0.0, ask.patience_s), what) for ask, what in orders
    ]
    return _pack(([(*one.jobs, *one.gpu) for one in rates.values()], asks))


def _answer(now: float, wait_s: float, retry_after_s: float, paid: float) -> Answer:
    if retry_after_s:
        return Answer(start_at=now, paid=False, retry_after_s=retry_after_s)
    return Answer(start_at=now + wait_s, wait_s=wait_s, paid=bool(paid))
