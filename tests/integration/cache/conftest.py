"""A Redis that tests may stop, stun and kill."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.redises import TestRedis, started


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[TestRedis]:
    """One for this test alone."""
    with started(tmp_path / "redis") as one:
        yield one
        one.server.signal(signal.SIGCONT)
