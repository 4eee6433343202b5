from __future__ import annotations

from itertools import count

import pytest

from tests.support.eventually import eventually


async def test_returns_the_first_true_value() -> None:
    values = iter([0, "", 7, 8])
    assert await eventually(lambda: next(values)) == 7


async def test_awaits_an_async_condition() -> None:
    rounds = count()

    async def third_time() -> bool:
        return next(rounds) == 2

    assert await eventually(third_time) is True


async def test_fails_with_what_was_waited_for_and_last_seen() -> None:
    with pytest.raises(AssertionError, match=r"the result did not hold within 0 s; last seen: \[\]"):
        await eventually(list, within=0, what="the result")
