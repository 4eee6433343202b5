"""What is known of the cost of runs: all that is on `costs`."""

from __future__ import annotations

from contracts.codec import Decoder
from contracts.work import LearnedCost
from darkroom.place import Place
from darkroom.system.tail import tail

_decode = Decoder(LearnedCost)


async def learned(place: Place) -> list[LearnedCost]:
    """The last word on each batch key and device class, those with the most runs first."""
    last = await tail(place, place.topics.costs, _decode)
    return sorted(last.values(), key=lambda known: -known.runs)
