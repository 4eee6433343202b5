"""`darkroom dead`: jobs that could not succeed, and events that no job could be made of."""

from __future__ import annotations

import asyncio

import click
from rich.console import Console
from rich.table import Table

from contracts.codec import Decoder, Invalid
from contracts.events import Dead
from darkroom.cli import show
from darkroom.cli.where import Where, json_option, where_options
from darkroom.errors import DarkroomError
from darkroom.wire import consumer, reach


@click.group
def dead() -> None:
    """Look at jobs that cannot succeed, and at events that no job could be made of."""


@dead.command(name="list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, the newest.")
@json_option
@where_options
def list_dead(*, limit: int, json: bool, where: Where) -> None:
    """List dead letters, oldest first."""
    letters = asyncio.run(_letters(where))[-limit:]
    if json:
        for letter in letters:
            show.json(letter)
    else:
        Console().print(_table(letters) if letters else "No dead letters.")


@dead.command(name="show")
@click.argument("id")
@where_options
def show_dead(*, id: str, where: Where) -> None:
    """Print dead letters as JSON, the original event with each.

    ID is a job's, or topic/partition/offset where no id could be read.
    """
    found = [one for one in asyncio.run(_letters(where)) if id in (one.id, _place(one))]
    if not found:
        raise DarkroomError(f"No dead letter of {id}.")
    for letter in found:
        show.json(letter)


async def _letters(where: Where) -> list[Dead]:
    place = where.place()
    reader = consumer(place, place.topics.dead)
    decode = Decoder(Dead)
    letters = []
    await reach(reader.start(), place)
    try:
        ends = await reach(reader.end_offsets(reader.assignment()), place)
        await reader.seek_to_beginning()
        while any([await reader.position(one) < end for one, end in ends.items()]):
            for records in (await reach(reader.getmany(timeout_ms=500), place)).values():
                for record in records:
                    try:
                        letters.append(decode(record.value))
                    except Invalid:
                        continue
    finally:
        await reader.stop()
    return letters


def _place(letter: Dead) -> str:
    return f"{letter.topic}/{letter.partition}/{letter.offset}"


def _table(letters: list[Dead]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("at", "tenant", "id", "cause", "message", "tries"):
        table.add_column(name, overflow="fold")
    for one in letters:
        table.add_row(
            show.clock(one.at), one.tenant, one.id or _place(one), one.cause.code, one.cause.message, str(len(one.attempts))
        )
    return table
