"""A bounded memory: what was put in last is what it knows."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recall(Generic[K, V]):
    """Remembers something of at least the last `limit` keys, of twice as many at most, in two generations."""

    def __init__(self, limit: int) -> None:
        self._limit = max(1, limit)
        self._new: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __setitem__(self, key: K, value: V) -> None:
        self._new[key] = value
        if len(self._new) >= self._limit:
            self._old, self._new = self._new, {}

    def __contains__(self, key: K) -> bool:
        return key in self._new or key in self._old

    def get(self, key: K, default: V) -> V:
        """What is remembered of it, newest first."""
        found = self._new.get(key)
        return self._old.get(key, default) if found is None else found
