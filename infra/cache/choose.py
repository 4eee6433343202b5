"""From settings to a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.extras import from_extra, told_as
from infra.settings import Cache

if TYPE_CHECKING:
    from infra.cache.redis import RedisCache


def open_cache(settings: Cache) -> RedisCache | None:
    """The cache that the settings name; None if they name none. Nothing is connected yet. Raises BadSetting."""
    if not settings.url:
        return None
    with told_as("cache.url"), from_extra("redis", "redis", "Redis"):
        from infra.cache.redis import RedisCache
    return RedisCache(settings)
