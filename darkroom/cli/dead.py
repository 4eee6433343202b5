"""`darkroom dead`: jobs that could not succeed, and events that no job could be made of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click
import msgspec
from rich.console import Console
from rich.table import Table

from darkroom.cli import show
from darkroom.cli.where import Where, json_option, where_options
from darkroom.errors import DarkroomError
from darkroom.letters import Letter, job_again, mark_handled, read_letters

_ids = click.argument("ids", metavar="ID...", nargs=-1, required=True)
_tenant = click.option("--tenant", help="Whose, where several tenants have a job of this id.")


@click.group
def dead() -> None:
    """Look at jobs that cannot succeed and events that no job could be made of; run them again, or put them away.

    ID is a job's, or topic/partition/offset of the original event where no id could be read.
    """


@dead.command(name="list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, the newest.")
@click.option("--all", "every", is_flag=True, help="Those replayed or dropped, too.")
@json_option
@where_options
def list_dead(*, limit: int, every: bool, json: bool, where: Where) -> None:
    """List dead letters, oldest first."""
    letters = asyncio.run(read_letters(where.place()))
    shown = [one for one in letters if every or one.handled is None][-limit:]
    if json:
        for letter in shown:
            show.json(_document(letter))
    else:
        Console().print(_table(shown) if shown else "No dead letters.")


@dead.command(name="show")
@click.argument("id")
@_tenant
@where_options
def show_dead(*, id: str, tenant: str | None, where: Where) -> None:
    """Print dead letters as JSON: the original event, every run it had, and what the last one was given."""
    for letter in _of(asyncio.run(read_letters(where.place())), id, tenant):
        show.json(_document(letter))


@dead.command(name="replay")
@_ids
@_tenant
@click.option("--exact", is_flag=True, help="On the version of the model that it failed on, not on the one it names now.")
@json_option
@where_options
def replay(*, ids: Sequence[str], tenant: str | None, exact: bool, json: bool, where: Where) -> None:
    """Send jobs again, as new ones with the seeds they had; prints their ids.

    An id is used up once a job was accepted under it. The new one is made from it, the same one however often the letter
    is replayed, so that nothing runs twice by accident. An event that was refused is sent as it was.
    """
    for letter, id in asyncio.run(_replay(where, ids, tenant, exact=exact)):
        show.json({"letter": letter.place, "id": id, "tenant": letter.dead.tenant}) if json else show.line(id)


@dead.command(name="drop")
@_ids
@_tenant
@json_option
@where_options
def drop(*, ids: Sequence[str], tenant: str | None, json: bool, where: Where) -> None:
    """Put letters away: they are not listed any more, and stay on the topic as long as any."""
    for letter in asyncio.run(_drop(where, ids, tenant)):
        show.json({"letter": letter.place, "id": letter.dead.id, "tenant": letter.dead.tenant}) if json else show.line(
            letter.name
        )


async def _replay(where: Where, ids: Sequence[str], tenant: str | None, *, exact: bool) -> list[tuple[Letter, str]]:
    place = where.place()
    chosen = _open(await read_letters(place), ids, tenant)
    jobs = [job_again(letter, exact=exact) for letter in chosen]
    async with where.client() as client:
        handles = await client.submit_many(jobs)
    # Only now: a letter whose replay was not confirmed stays open, and replaying it again is safe.
    for letter, handle in zip(chosen, handles, strict=True):
        await mark_handled(place, [letter], f"replayed as {handle.id}")
    return [(letter, handle.id) for letter, handle in zip(chosen, handles, strict=True)]


async def _drop(where: Where, ids: Sequence[str], tenant: str | None) -> list[Letter]:
    place = where.place()
    chosen = _open(await read_letters(place), ids, tenant)
    await mark_handled(place, chosen, "dropped")
    return chosen


def _open(letters: Sequence[Letter], ids: Sequence[str], tenant: str | None) -> list[Letter]:
    """The letter of each of these ids that nobody handled yet."""
    return [_one(_of(letters, id, tenant), id) for id in dict.fromkeys(ids)]


def _of(letters: Sequence[Letter], id: str, tenant: str | None) -> list[Letter]:
    found = [one for one in letters if id in (one.dead.id, one.place) and tenant in (None, one.dead.tenant)]
    if not found:
        raise DarkroomError(f"No dead letter of {id}.")
    return found


def _one(found: Sequence[Letter], id: str) -> Letter:
    still = [one for one in found if one.handled is None]
    if not still:
        raise DarkroomError(f"{id} was {found[-1].handled} before.")
    if len(still) > 1:
        raise DarkroomError(f"{id} has several dead letters. Say --tenant, or name one: {', '.join(one.place for one in still)}")
    return still[0]


def _document(letter: Letter) -> object:
    document = msgspec.to_builtins(letter.dead)
    return {**document, "handled": letter.handled} if letter.handled else document


def _table(letters: Sequence[Letter]) -> Table:
    table = Table(box=None, pad_edge=False)
    handled = any(one.handled for one in letters)
    for name in ("at", "tenant", "id", "cause", "message", "runs", *(["handled"] if handled else [])):
        table.add_column(name, overflow="fold")
    for letter in letters:
        one = letter.dead
        row = [show.clock(one.at), one.tenant, letter.name, one.cause.code, one.cause.message, str(len(one.attempts))]
        table.add_row(*row, *([letter.handled or ""] if handled else []))
    return table
