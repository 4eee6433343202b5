"""`darkroom url`: links to a job's outputs that work for a while without credentials."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click
import msgspec

from contracts.events import Output, Result
from darkroom.cli import show
from darkroom.cli.where import Where, json_option, tenant_option, where_options
from darkroom.errors import DarkroomError
from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable
from infra.jobstore import open_jobs
from infra.objects.connect import open_objects
from infra.objects.links import links
from infra.settings import BadSetting, Cassandra, Settings, read_settings
from streams.ports import StoreUnavailable


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
        settings = read_settings()
        outputs = asyncio.run(_outputs(_job_store(settings, where), settings.cassandra, tenant, id))
        found = _links(settings, where, tenant, outputs)
    except (StoreUnavailable, ObjectsUnavailable, NoSuchObject, BadSetting, ValueError) as error:
        raise DarkroomError(f"No link to {id}: {error}") from error
    for output, link in zip(outputs, found, strict=True):
        show.json({"key": output.key, "url": link}) if json else show.line(link)


def _job_store(settings: Settings, where: Where) -> str:
    return settings.store.jobs if "DARKROOM_STORE_JOBS" in os.environ else where.running().job_store


def _links(settings: Settings, where: Where, tenant: str, outputs: list[Output]) -> list[str]:
    there = settings.store.objects if "DARKROOM_STORE_OBJECTS" in os.environ else where.running().objects
    store = open_objects(there if "://" in there else Path(there).as_uri(), fallback=settings.store.fallback)
    try:
        return links(store, tenant, outputs)
    finally:
        store.close()


async def _outputs(job_store: str, cassandra: Cassandra, tenant: str, id: str) -> list[Output]:
    store = open_jobs(job_store, cassandra)
    try:
        row = await store.get(tenant, id)
    finally:
        await store.close()
    if row is None:
        raise DarkroomError(f"{tenant} has no job {id}.")
    if not row.result:
        raise DarkroomError(f"{id} has no outputs: it is {row.state}.")
    return msgspec.json.decode(row.result, type=Result).outputs
