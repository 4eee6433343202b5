"""What is known of the cost of runs: all that is on `costs`."""

from __future__ import annotations

from contracts.codec import Decoder
from contracts.work import LearnedCost
from darkroom.place import Place
from darkroom.wire import consumer, reach

_decode = Decoder(LearnedCost)


async def learned(place: Place) -> list[LearnedCost]:
    """The last word on each batch key and device class, those with the most runs first."""
    reader = consumer(place, place.topics.costs)
    await reach(reader.start(), place)
    last: dict[bytes, LearnedCost] = {}
    try:
        (one,) = reader.assignment()
        end = (await reach(reader.end_offsets([one]), place))[one]
        await reader.seek_to_beginning(one)
        while await reader.position(one) < end:
            for record in (await reach(reader.getmany(timeout_ms=500), place)).get(one, []):
                last[record.key] = _decode(record.value)
    finally:
        await reader.stop()
    return sorted(last.values(), key=lambda known: -known.runs)
