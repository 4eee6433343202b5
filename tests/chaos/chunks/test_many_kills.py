"""The kill and churn tests again, for minutes."""

from __future__ import annotations

import random
import time
from signal import SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING

import pytest

from tests.support.chunk_scenarios import churning, killing

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]

CHURN_S = 75.0
#: On a machine that hardly runs, 75 s may pass within one step; a churn that did not churn proves nothing.
LEAST_ENDS = 12


async def test_fifty_kills_lose_nothing(bootstrap: str, topic_prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    figures = await killing(bootstrap, topic_prefix, kills=50, records=1000)
    with capsys.disabled():
        print("\n50 kills:", figures)  # noqa: T201 (the figures are what one runs it for)


async def test_churn_loses_nothing(bootstrap: str, topic_prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    def ends() -> Iterator[Signals]:
        until, given = time.monotonic() + CHURN_S, 0
        while time.monotonic() < until or given < LEAST_ENDS:
            given += 1
            yield random.choice((SIGKILL, SIGTERM))

    figures = await churning(bootstrap, topic_prefix, ends=ends(), records=3000)
    with capsys.disabled():
        print("\n75 s of churn:", figures)  # noqa: T201 (the figures are what one runs it for)
