"""Keeps a library that says the same thing over and over from filling the disk: a Kafka client without its broker does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

WITHIN_S = 10.0
MOST = 5
"""Records of one kind let through in WITHIN_S seconds."""

KINDS = 1_000
"""Kinds remembered; beyond these all are forgotten and counted anew."""

Kind = tuple[str, int, str]


class Calm(logging.Filter):
    """Lets the first few records of each kind through, then one every ten seconds that tells how many were left out.

    A kind is a place in the code: its logger, its level and its text before the values are put in.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[Kind, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show the record; tells in `left_out` how many of its kind were not shown."""
        now, kind = self._clock(), (record.name, record.levelno, str(record.msg))
        since, count = self._seen.get(kind, (now, 0))
        if now - since >= WITHIN_S:
            if count > MOST:
                record.left_out = count - MOST
            since, count = now, 0
        if len(self._seen) >= KINDS:
            self._seen.clear()
        self._seen[kind] = since, count + 1
        return count < MOST
