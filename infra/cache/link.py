"""One Redis (or what speaks like it), asked with little patience: slow or away, it is left alone for a while."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from infra.cache.breaker import Breaker
from infra.settings import BadSetting, Cache

T = TypeVar("T")
log = logging.getLogger(__name__)

TIMEOUT_S = 0.05
"""Of one question, connecting included: what it may cost at most to ask in vain."""


class RedisLink:
    """A client, and whether it is worth asking. What fails is answered with what the caller says."""

    def __init__(
        self,
        settings: Cache,
        *,
        what: str = "the cache",
        without: str = "which is slower",
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`what` and `without` tell the log who is away, and what follows."""
        self.redis = Redis(**connection(settings), **_patience(timeout_s))
        self.prefix = settings.prefix
        self._what = what
        self._without = without
        self._clock = clock
        self._timeout_s = timeout_s
        self._breaker = Breaker()

    async def close(self) -> None:
        """Let go of the connections."""
        try:
            async with asyncio.timeout(1.0):
                await self.redis.aclose()
        except (RedisError, OSError, TimeoutError):
            return

    async def ask(self, question: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """The answer; `otherwise` if there is none, or none in time."""
        if not self._breaker.may_pass(self._clock()):
            return otherwise
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await question()
        except (RedisError, OSError, TimeoutError) as error:
            self._fail(error)
            return otherwise
        except BaseException:
            self._breaker.failed(self._clock())  # a trial that is cancelled must not keep the breaker waiting for its end
            raise
        if self._breaker.open:
            log.info("%s answers again", self._what)
        self._breaker.worked()
        return answer

    def _fail(self, error: Exception) -> None:
        known = self._breaker.open
        self._breaker.failed(self._clock())
        if self._breaker.open and not known:
            # Of the error only its kind: its text may quote what was sent.
            kind = type(error).__name__
            log.warning("%s does not answer (%s); going on without it, %s", self._what, kind, self._without)


def connection(settings: Cache) -> dict[str, Any]:
    """What redis-py is given. Raises BadSetting, whose text repeats nothing of the URL."""
    try:
        parts = urlsplit(settings.url)
        port = parts.port or 6379
        number = parts.path.strip("/") or "0"
        known = parts.hostname and number.isdecimal()
    except ValueError:  # a port or an address that is none
        known = None
    if not known:
        raise BadSetting("cache.url: not redis://host:port/number or rediss://host:port/number")
    where = {"host": parts.hostname, "port": port, "db": int(number)}
    who = {"username": settings.user or None, "password": settings.password or None}
    return {**where, **who, **(_tls(settings) if parts.scheme == "rediss" else {})}


def _tls(settings: Cache) -> dict[str, Any]:
    files = {"ssl_ca_certs": settings.ca_file, "ssl_certfile": settings.cert_file, "ssl_keyfile": settings.key_file}
    return {"ssl": True, "ssl_check_hostname": settings.verify_host, **{name: file or None for name, file in files.items()}}


def _patience(timeout_s: float) -> dict[str, Any]:
    # The client's own retries would multiply what a question in vain may cost.
    return {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, "retry": Retry(NoBackoff(), 0), "protocol": 2}
