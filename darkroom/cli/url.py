"""`darkroom url`: links to a job's outputs that work for a while without credentials."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import msgspec

from contracts.events import Output, Result
from darkroom.cli import show
from darkroom.cli.store import job_store
from darkroom.cli.where import Where, json_option, tenant_option, where_options
from darkroom.errors import DarkroomError
from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable
from infra.objects.connect import open_objects
from infra.objects.links import links
from infra.settings import Store, read_settings


@click.command
@click.argument("id")
@tenant_option
@json_option
@where_options
def url(*, id: str, tenant: str, json: bool, where: Where) -> None:
    """Print a link to each output of a job. It works for 15 minutes, for whoever has it.

    Needs the credentials of the object store. Outputs in a folder have no links: their files' addresses are printed.
    """
    try:
        outputs = asyncio.run(_outputs(where, tenant, id))
        found = _links(where, tenant, outputs)
    except (ObjectsUnavailable, NoSuchObject) as error:
        raise DarkroomError(f"No link to {id}: {error}") from error
    for output, link in zip(outputs, found, strict=True):
        show.json({"key": output.key, "url": link}) if json else show.line(link)


def _links(where: Where, tenant: str, outputs: list[Output]) -> list[str]:
    said = read_settings().store
    there = said.objects if said.objects != Store().objects else where.running().objects
    store = open_objects(there if "://" in there else Path(there).as_uri(), fallback=said.fallback)
    try:
        return links(store, tenant, outputs)
    finally:
        store.close()


async def _outputs(where: Where, tenant: str, id: str) -> list[Output]:
    async with job_store(where) as store:
        row = await store.get(tenant, id)
    if row is None:
        raise DarkroomError(f"{tenant} has no job {id}.")
    if not row.result:
        raise DarkroomError(f"{id} has no outputs: it is {row.state}.")
    return msgspec.json.decode(row.result, type=Result).outputs
