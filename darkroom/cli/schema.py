"""`darkroom schema`: the tables of a Cassandra job store."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

import click

from darkroom.cli import show
from darkroom.cli.where import json_option
from darkroom.errors import DarkroomError
from infra.extras import from_extra, told_as
from infra.schema import SchemaBusy
from infra.settings import Cassandra, read_settings
from streams.ports import StoreUnavailable

T = TypeVar("T")
store_option = click.option("--store", metavar="URL", help="cassandra://host:port/keyspace.  [default: as in the settings]")


@click.group
def schema() -> None:
    """Bring the tables of a Cassandra job store up to date. A SQLite store needs none of this."""


@schema.command(name="migrate")
@store_option
def migrate_schema(*, store: str | None) -> None:
    """Make the keyspace, or apply what is missing. Safe to run twice, and by two at once."""
    admin = _admin()
    _told(store, lambda url, settings: admin.migrate(url, settings, show.line))
    show.line(f"schema {_told(store, admin.status).version}, the newest")


@schema.command(name="status")
@store_option
@json_option
def schema_status(*, store: str | None, json: bool) -> None:
    """Say which version is there, how it is replicated, and how long jobs are kept. Status 1 if it is not the newest."""
    state = _told(store, _admin().status)
    if json:
        show.json(state)
    else:
        kept = f"{state.keep_days:g} days" if state.keep_days is not None else "-"
        copies = ", ".join(f"{name} {value}" for name, value in state.replication.items()) or "-"
        show.line(f"schema       {state.version} of {state.newest}\nreplication  {copies}\njobs kept    {kept}")
    if state.version < state.newest:
        raise DarkroomError("The schema is behind: run `darkroom schema migrate`.")


def _admin() -> ModuleType:
    with told_as("store.jobs"), from_extra("cassandra", "cassandra", "Cassandra"):
        from infra.jobstore import cassandra_admin
    return cassandra_admin


def _told(store: str | None, work: Callable[[str, Cassandra], T]) -> T:
    try:
        settings = read_settings()
        url = store or settings.store.jobs
        if not url.startswith("cassandra://"):
            raise DarkroomError("The job store is no Cassandra: name one by --store or DARKROOM_STORE_JOBS.")
        return work(url, settings.cassandra)
    except (StoreUnavailable, SchemaBusy) as error:
        raise DarkroomError(str(error)) from error
