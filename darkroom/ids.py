"""Ids for jobs: UUID version 7 (RFC 9562), so that ids sort by the time they were made."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable


class Uuid7:
    """Makes ids that only ever grow within one process, also when the clock steps back or a millisecond has many."""

    def __init__(self, clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> str:
        """A new id, 36 characters."""
        noise = int.from_bytes(os.urandom(8), "big")
        with self._lock:
            # 48 bits of time, then 12 that count up within it: a full count runs into the next millisecond.
            self._last = max((self._clock_ms() << 12) | (noise >> 54), self._last + 1)
            head = self._last
        return str(uuid.UUID(int=(head >> 12) << 80 | 0x7 << 76 | (head & 0xFFF) << 64 | 0b10 << 62 | noise & (1 << 62) - 1))


new_id = Uuid7()
"""A new job id."""


def made_at(id: str) -> float | None:
    """When an id was made (seconds since the epoch), if it is a UUID version 7."""
    try:
        parsed = uuid.UUID(id)
    except ValueError:
        return None
    return (parsed.int >> 80) / 1000 if parsed.version == 7 else None
