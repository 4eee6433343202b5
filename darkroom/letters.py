"""Dead letters: read, marked as handled, and made jobs of again.

A letter is handled by a record without a value on `jobs.dead`, under the same key, whose header `letter` is the letter's
offset. Such a record is safe for every reader, goes when its letter goes, and needs no state beside the topic.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.codec import Decoder, Invalid
from contracts.events import Dead, Job
from contracts.headers import event_headers
from darkroom.errors import DarkroomError
from darkroom.place import Place
from darkroom.wire import consumer, producer, reach

MAX_ID = 128
_dead = Decoder(Dead)
_job = Decoder(Job)


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """One dead letter as it lies on the topic."""

    offset: int
    key: bytes
    dead: Dead
    handled: str | None = None
    """`dropped`, or `replayed as` an id."""

    @property
    def place(self) -> str:
        """Where the original event was: names a letter that no id could be read from, too."""
        return f"{self.dead.topic}/{self.dead.partition}/{self.dead.offset}"

    @property
    def name(self) -> str:
        """What people call it by."""
        return self.dead.id or self.place


class NotReplayable(DarkroomError):
    """There is no job in the letter that could be sent."""


async def read_letters(place: Place) -> list[Letter]:
    """All letters, oldest first. Raises `NotReachable`."""
    letters: dict[int, Letter] = {}
    for record in await _records(place):
        if record.value is None:
            _mark(letters, dict(record.headers))
            continue
        try:
            letters[record.offset] = Letter(offset=record.offset, key=record.key or b"", dead=_dead(record.value))
        except Invalid:
            continue
    return list(letters.values())


def _mark(letters: dict[int, Letter], headers: dict[str, bytes]) -> None:
    number = headers.get("letter", b"").decode()
    if number.isdecimal() and int(number) in letters:
        how = headers.get("handled", b"").decode()
        letters[int(number)] = dataclasses.replace(letters[int(number)], handled=how)


async def _records(place: Place) -> list[Any]:
    reader = consumer(place, place.topics.dead)
    found: list[Any] = []
    await reach(reader.start(), place)
    try:
        ends = await reach(reader.end_offsets(reader.assignment()), place)
        await reader.seek_to_beginning()
        while any([await reader.position(one) < end for one, end in ends.items()]):
            for records in (await reach(reader.getmany(timeout_ms=500), place)).values():
                found += records
    finally:
        await reader.stop()
    return found


async def mark_handled(place: Place, letters: Sequence[Letter], how: str) -> None:
    """Mark letters as handled; doing so twice is harmless. Raises `NotReachable`."""
    sender = producer(place)
    await reach(sender.start(), place)
    try:
        for letter in letters:
            marks = [("letter", str(letter.offset).encode()), ("handled", how.encode())]
            headers = [*event_headers("handled", "client"), *marks]
            await reach(sender.send_and_wait(place.topics.dead, None, key=letter.key, headers=headers), place)
    finally:
        await sender.stop()


def job_again(letter: Letter, *, exact: bool) -> Job:
    """The job to send for a letter: the same every time, so that a replay repeated by accident runs nothing twice.

    A job that was accepted has used its id up: it gets a new one, and the seed it had. `exact`: and the model's version.
    An event that was refused had not: it is sent as it was. Raises `NotReplayable`.
    """
    try:
        job = _job(_body(letter.dead))
    except (Invalid, ValueError):
        raise NotReplayable(f"{letter.name} holds no job: correct the event and send it yourself.") from None
    repro = letter.dead.repro
    if repro is None:
        return job
    suffix = f".replay-{letter.offset}"
    inputs = msgspec.structs.replace(job.inputs, seed=repro.seed)
    model = repro.model if exact else job.model
    return msgspec.structs.replace(job, id=job.id[: MAX_ID - len(suffix)] + suffix, inputs=inputs, model=model)


def _body(dead: Dead) -> bytes | None:
    if dead.encoding == "null":
        return None
    return dead.body.encode() if dead.encoding == "utf-8" else base64.b64decode(dead.body)
