"""From settings to a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.settings import Cache

if TYPE_CHECKING:
    from infra.cache.redis import RedisCache


def open_cache(settings: Cache) -> RedisCache | None:
    """The cache that the settings name; None if they name none. Nothing is connected yet. Raises ValueError."""
    if not settings.url:
        return None
    try:
        from infra.cache.redis import RedisCache
    except ImportError as error:
        raise ValueError("cache.url: Redis needs an extra: pip install 'darkroom[redis]'") from error
    return RedisCache(settings)
