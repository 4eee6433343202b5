"""What a topic with one partition says last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from darkroom.place import Place
from darkroom.wire import consumer, reach

T = TypeVar("T")


async def tail(place: Place, topic: str, decode: Callable[[bytes | None], T], count: int | None = None) -> dict[bytes, T]:
    """The last word of each key, in the order of their first ones, from the last `count` records; None: from all."""
    reader = consumer(place, topic)
    last: dict[bytes, T] = {}
    await reach(reader.start(), place)
    try:
        (one,) = reader.assignment()
        end = (await reach(reader.end_offsets([one]), place))[one]
        begin = (await reach(reader.beginning_offsets([one]), place))[one]
        reader.seek(one, begin if count is None else max(begin, end - count))
        while await reader.position(one) < end:
            records: list[Any] = (await reach(reader.getmany(timeout_ms=500), place)).get(one, [])
            last |= {record.key: decode(record.value) for record in records}
    finally:
        await reader.stop()
    return last
