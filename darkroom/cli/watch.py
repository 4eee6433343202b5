"""`darkroom watch`: states as they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import click

from contracts.codec import Decoder, Invalid
from contracts.events import Status
from darkroom.cli import show
from darkroom.cli.where import Where, json_option, where_options
from darkroom.errors import DarkroomError
from darkroom.system.pools import pools, standing
from darkroom.wire import consumer, reach

AGAIN_S = 5.0
"""Between two lines about a job that waits (seconds)."""


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
    told: list[Status] = []
    async with where.client() as client:
        waiting = None if json else asyncio.create_task(_while_queued(where, told))
        try:
            async for status in client.status(id, tenant=tenant):
                told.append(status)
                show.json(status) if json else show.line(show.status_line(status))
        finally:
            if waiting is not None:
                waiting.cancel()
    return 0 if told and told[-1].state == "succeeded" else 1


async def _while_queued(where: Where, told: Sequence[Status]) -> None:
    """Say now and then where a job stands by now."""
    place = where.place()
    while True:
        await asyncio.sleep(AGAIN_S)
        if told and told[-1].state == "queued" and told[-1].queue is not None:
            with suppress(DarkroomError):
                state = (await pools(place)).get(told[-1].queue.pool)
                eta = standing(state, told[-1], time.time())
                if eta is not None and told[-1].state == "queued":
                    show.line(f"{show.clock(time.time())}  waiting: {show.wait(eta.position, *eta[2:])}")


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
