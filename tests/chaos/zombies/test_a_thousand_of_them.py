"""The same as tests/integration/zombies, until a thousand batches were in the hands of a worker that was stopped."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.zombies import SEAMS, ZOMBIES, haunt

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(7200)]

TRIALS = 1000
SEED = 6


async def test_a_thousand_late_batches_are_seen_by_nobody(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    async with haunt(bootstrap, topic_prefix, tmp_path, session_s=1.5) as one:
        while len(one.trials) < TRIALS:
            await one.night([chance.choice(SEAMS) + chance.choice(["", ".blind"]) for _ in range(ZOMBIES)])
        assert await one.faults() == []
        assert sum(one.late().values()) > TRIALS / 2
