"""`darkroom watch`: states as they come."""

from __future__ import annotations

import asyncio

import click

from contracts.codec import Decoder, Invalid
from contracts.events import Status
from darkroom.cli import show
from darkroom.cli.where import Where, json_option, where_options
from darkroom.wire import consumer, reach


@click.command
@click.argument("id", required=False)
@click.option("--tenant", help="Whose job; without an id: only this tenant's jobs.")
@json_option
@where_options
def watch(*, id: str | None, tenant: str | None, json: bool, where: Where) -> int:
    """Show a job's states from its first to its terminal one; without an ID live those of all jobs.

    Exits with 0 if the job succeeded and 1 if not.
    """
    if id is None:
        asyncio.run(_all(where, tenant, json=json))
        return 0
    return asyncio.run(_one(where, id, tenant, json=json))


async def _one(where: Where, id: str, tenant: str | None, *, json: bool) -> int:
    last: Status | None = None
    async with where.client() as client:
        async for last in client.status(id, tenant=tenant):
            show.json(last) if json else show.line(show.status_line(last))
    return 0 if last and last.state == "succeeded" else 1


async def _all(where: Where, tenant: str | None, *, json: bool) -> None:
    place = where.place()
    reader = consumer(place, place.topics.status)
    decode = Decoder(Status)
    await reach(reader.start(), place)
    try:
        await reader.seek_to_end()
        async for record in reader:
            try:
                status = decode(record.value)
            except Invalid:
                continue
            if tenant in (None, status.tenant):
                show.json(status) if json else show.line(f"{status.tenant}  {status.id}  {show.status_line(status)}")
    finally:
        await reader.stop()
