"""A limiter in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from infra.limiter.steady import Clock, steady_clock
from streams.policy.limit import Answer, Ask, Buckets, Rates


class LocalLimiter:
    """`streams.ports.Limiter`, for as long as this process lives."""

    def __init__(self, share: Callable[[], float] = lambda: 1.0, clock: Clock | None = None) -> None:
        """`share`: of every rate, the part that this process may give away while others do the rest."""
        self.now = clock or steady_clock()
        self.buckets = Buckets()
        self._share = share

    async def take(self, asks: Sequence[Ask], everybody: Rates) -> list[Answer]:
        """See `Limiter.take`."""
        return self.buckets.take(asks, everybody, self.now(), self._share())

    async def give_back(self, given: Sequence[tuple[Ask, Answer]], everybody: Rates) -> None:
        """See `Limiter.give_back`."""
        self.buckets.give_back(given, everybody, self._share())

    async def close(self) -> None:
        """See `Limiter.close`."""
