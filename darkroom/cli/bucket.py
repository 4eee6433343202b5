"""`darkroom bucket`: an operator's commands for the bucket that outputs go to."""

from __future__ import annotations

import asyncio

import click

from darkroom import strays
from darkroom.cli import show
from darkroom.cli.store import job_store
from darkroom.cli.where import Where, where_options
from darkroom.errors import DarkroomError
from gpu_consumers.ports import ObjectsUnavailable
from infra.extras import told_as
from infra.objects.connect import open_objects
from infra.objects.s3_bucket import set_up
from infra.objects.s3_client import new_client
from infra.objects.s3_place import place_of
from infra.settings import read_settings

objects_option = click.option("--objects", metavar="URL", help="s3://bucket/prefix?…  [default: the one in the settings]")


@click.group
def bucket() -> None:
    """Prepare the S3 bucket that outputs go to, and keep it tidy."""


@bucket.command
@objects_option
@click.option("--archive-days", type=click.IntRange(0, 36_500), default=90, show_default=True, help="0: nothing is archived.")
@click.option("--archive-class", default="GLACIER_IR", show_default=True, help="Storage class of what is archived.")
def setup(*, objects: str | None, archive_days: int, archive_class: str) -> None:
    """Make the bucket, close it to the public, have old outputs archived. Safe to run again.

    Other lifecycle rules of the bucket stay. What the server cannot do is said, and the rest is done.
    """
    url = objects or read_settings().store.objects
    try:
        with told_as("store.objects"):
            place = place_of(url)
            client = new_client(place)
        for line in set_up(client, place, archive_days=archive_days, archive_class=archive_class):
            show.line(line)
    except ObjectsUnavailable as error:
        raise _unwilling(error) from error


@bucket.command
@objects_option
def tidy(*, objects: str | None) -> None:
    """Remove what processes left that died while they uploaded, a day ago or earlier."""
    store = open_objects(objects or read_settings().store.objects)
    try:
        try:
            asyncio.run(store.tidy())
        finally:
            store.close()
    except ObjectsUnavailable as error:
        raise _unwilling(error) from error
    show.line("tidied")


@bucket.command
@objects_option
@where_options
def sweep(*, objects: str | None, where: Where) -> None:
    """Remove outputs of ended jobs that their results do not name. Safe while jobs run; a folder of outputs is swept, too.

    They are left by workers that were killed, and by runs that came too late while the store was away.
    """
    try:
        show.line(f"{asyncio.run(_swept(objects, where))} objects removed")
    except ObjectsUnavailable as error:
        raise _unwilling(error) from error


async def _swept(objects: str | None, where: Where) -> int:
    settings = read_settings().store
    store = open_objects(objects or settings.objects, fallback="" if objects else settings.fallback)
    try:
        async with job_store(where) as jobs:
            return await strays.sweep(store, jobs)
    finally:
        store.close()


def _unwilling(error: ObjectsUnavailable) -> DarkroomError:
    return DarkroomError(f"The object store does not do it: {error}")
