"""Workers that die in the middle of their work, in random order of completion, lose nothing."""

from __future__ import annotations

import random
from signal import SIGKILL, SIGTERM

import pytest

from tests.support.chunk_scenarios import churning, killing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def test_three_kills_lose_nothing(bootstrap: str, topic_prefix: str) -> None:
    await killing(bootstrap, topic_prefix, kills=3, records=2000)


async def test_two_kills_and_two_orderly_ends_among_several_workers_lose_nothing(bootstrap: str, topic_prefix: str) -> None:
    ends = [SIGKILL, SIGTERM, SIGTERM, SIGKILL]
    random.shuffle(ends)
    await churning(bootstrap, topic_prefix, ends=ends, records=1500)
