"""What several processes remember together, to save work: a cache, never the only copy of anything."""

from infra.cache.choose import open_cache

__all__ = ["open_cache"]
