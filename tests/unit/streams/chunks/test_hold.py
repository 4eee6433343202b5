"""A hold acknowledges its chunk once, with the last record."""

from types import SimpleNamespace
from typing import Any

import pytest

from streams.chunks import Chunk, Hold
from tests.unit.streams.chunks.records import records


def held(n: int) -> tuple[Hold, list[str]]:
    acks: list[str] = []
    event: Any = SimpleNamespace(value=Chunk("jobs", 0, records(*range(n))), ack=lambda: acks.append("ack"))
    return Hold(event), acks


def test_last_record_acknowledges() -> None:
    hold, acks = held(3)
    hold.done()
    hold.done()
    assert (hold.remaining, acks) == (1, [])
    hold.done()
    assert (hold.remaining, acks) == (0, ["ack"])


def test_several_at_once() -> None:
    hold, acks = held(5)
    hold.done(2)
    hold.done(3)
    assert (hold.remaining, acks) == (0, ["ack"])


@pytest.mark.parametrize("n", [0, -1, 4])
def test_miscounting_is_an_error_and_acknowledges_nothing(n: int) -> None:
    hold, acks = held(3)
    with pytest.raises(ValueError, match="3 remain"):
        hold.done(n)
    assert (hold.remaining, acks) == (3, [])


def test_one_too_many_is_an_error_and_acknowledges_only_once() -> None:
    hold, acks = held(1)
    hold.done()
    with pytest.raises(ValueError, match="0 remain"):
        hold.done()
    assert acks == ["ack"]
