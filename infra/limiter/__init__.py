"""Token buckets: in this process, or in a Redis that several processes share."""

from infra.limiter.choose import open_limiter

__all__ = ["open_limiter"]
