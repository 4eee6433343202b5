"""From settings to a limiter."""

from __future__ import annotations

from collections.abc import Callable

from infra.extras import from_extra, told_as
from infra.limiter.local import LocalLimiter
from infra.settings import Cache
from streams.ports import Limiter


def open_limiter(settings: Cache, share: Callable[[], float] = lambda: 1.0) -> Limiter:
    """In the Redis that the settings name, else in this process. `share`: the part of all work that comes to this process.

    Nothing is connected yet. Raises BadSetting.
    """
    if not settings.url:
        return LocalLimiter(share)
    with told_as("cache.url"), from_extra("redis", "redis", "Redis"):
        from infra.limiter.redis import RedisLimiter
    return RedisLimiter(settings, share)
