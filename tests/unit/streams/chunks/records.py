"""Records without a broker."""

from typing import Any, NamedTuple


class Record(NamedTuple):
    offset: int
    value: bytes | None = b"x"
    key: bytes | None = None


def records(*offsets: int) -> list[Any]:
    return [Record(offset) for offset in offsets]
