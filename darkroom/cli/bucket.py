"""`darkroom bucket`: an operator's commands for the bucket that outputs go to."""

from __future__ import annotations

import asyncio

import click

from darkroom.cli import show
from darkroom.errors import DarkroomError
from gpu_consumers.ports import ObjectsUnavailable
from infra.settings import BadSetting, read_settings

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
    try:
        from infra.objects.s3_bucket import set_up
        from infra.objects.s3_client import new_client
        from infra.objects.s3_place import place_of

        place = place_of(objects or _configured())
        for line in set_up(new_client(place), place, archive_days=archive_days, archive_class=archive_class):
            show.line(line)
    except (ImportError, BadSetting, ObjectsUnavailable) as error:
        raise DarkroomError(_reason(error)) from error


@bucket.command
@objects_option
def tidy(*, objects: str | None) -> None:
    """Remove what processes left that died while they uploaded, a day ago or earlier."""
    from infra.objects.connect import open_objects

    try:
        store = open_objects(objects or _configured())
        try:
            asyncio.run(store.tidy())
        finally:
            store.close()
    except (BadSetting, ObjectsUnavailable) as error:
        raise DarkroomError(_reason(error)) from error
    show.line("tidied")


def _configured() -> str:
    try:
        return read_settings().store.objects
    except BadSetting as error:
        raise DarkroomError(str(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "this needs the extra s3: pip install 'darkroom[s3]'"
    return f"The object store does not do it: {error}" if isinstance(error, ObjectsUnavailable) else str(error)
