"""Applies what is missing. Safe to run twice, and by two at once: one works, the other waits and finds nothing to do.

Migrations only ever add, so that processes of the version before go on while they are rolled: migrate first, then update.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.settings import Cassandra

FOLDER = Path(__file__).parent
DAY_S = 86_400
EXPIRING = ("jobs", "jobs_by_month", "jobs_by_state", "tenant_months")
"""Tables whose rows are kept for `cassandra.keep_days`."""

LOCK_S = 120
"""After this long a migration that was killed no longer holds up others."""

ROUND_S = 0.2

_BOOKS = {
    "schema_migrations": "version int PRIMARY KEY, name text, applied_at timestamp",
    "schema_lock": "name text PRIMARY KEY, owner uuid",
}


class SchemaMissing(Exception):
    """The keyspace is not there, or older than this program needs."""


class SchemaBusy(Exception):
    """Another migration is under way and does not come to an end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """One file."""

    version: int
    name: str
    statements: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What a keyspace is like."""

    version: int
    """0: nothing is there."""
    newest: int
    """That this program knows."""
    replication: dict[str, str]
    keep_days: float | None
    """As the tables have it."""


def migrations(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """All files, by number."""
    found = [_read(file) for file in sorted(folder.glob("[0-9]*.cql"))]
    assert [one.version for one in found] == list(range(1, len(found) + 1)), "numbers of migrations have a hole"
    return tuple(found)


def _read(file: Path) -> Migration:
    number, _, name = file.stem.partition("-")
    text = re.sub(r"--.*", "", file.read_text())
    return Migration(version=int(number), name=name, statements=tuple(s.strip() for s in text.split(";") if s.strip()))


def check(session: Any, keyspace: str) -> None:
    """Whether a program may work on this keyspace. Raises `SchemaMissing`."""
    version, newest = _version(session, keyspace), len(migrations())
    if version < newest:
        raise SchemaMissing(f"schema {version}, this Darkroom needs {newest}: run `darkroom schema migrate`")


def status(session: Any, keyspace: str) -> State:
    """What is there."""
    tables = _tables(session, keyspace)
    asked = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s"
    found = [row["replication"] for row in session.execute(asked, (keyspace,))]
    keep = tables.get("jobs")
    return State(
        version=_version(session, keyspace),
        newest=len(migrations()),
        replication=dict(found[0]) if found else {},
        keep_days=None if keep is None else keep / DAY_S,
    )


def migrate(session: Any, keyspace: str, replication: dict[str, Any], settings: Cassandra, say: Callable[[str], None]) -> None:
    """Bring the keyspace to the newest version; make it if need be. Raises `SchemaBusy`."""
    session.execute(f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}")
    for name, columns in _BOOKS.items():
        # Two that make it at the same time through different nodes would make two tables of one name, were it not for the id.
        table = f"{keyspace}.{name}"
        same = uuid.uuid5(uuid.NAMESPACE_URL, table)
        session.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}) WITH ID = {same}")
    with _locked(session, keyspace):
        session.set_keyspace(keyspace)
        for one in migrations()[_version(session, keyspace) :]:
            _apply(session, one)
            say(f"applied {one.version:04d} {one.name}")
        _keep(session, keyspace, settings.keep_days * DAY_S, say)


def _apply(session: Any, one: Migration) -> None:
    # Each statement may be repeated (IF NOT EXISTS): one that was killed half-way starts over.
    for statement in one.statements:
        session.execute(statement)
    noted = "INSERT INTO schema_migrations (version, name, applied_at) VALUES (%s, %s, toTimestamp(now()))"
    session.execute(noted, (one.version, one.name))


def _keep(session: Any, keyspace: str, seconds: int, say: Callable[[str], None]) -> None:
    tables = _tables(session, keyspace)
    for name in EXPIRING:
        if tables[name] != seconds:
            session.execute(f"ALTER TABLE {name} WITH default_time_to_live = {seconds}")
            say(f"{name}: rows are kept for {seconds / DAY_S:g} days")


def _tables(session: Any, keyspace: str) -> dict[str, int]:
    """Names, and how long their rows live (seconds)."""
    asked = "SELECT table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = %s"
    return {row["table_name"]: row["default_time_to_live"] for row in session.execute(asked, (keyspace,))}


def _version(session: Any, keyspace: str) -> int:
    if "schema_migrations" not in _tables(session, keyspace):
        return 0
    rows = session.execute(f"SELECT version FROM {keyspace}.schema_migrations")  # noqa: S608 - the keyspace is a plain word
    return max((row["version"] for row in rows), default=0)


@contextmanager
def _locked(session: Any, keyspace: str) -> Iterator[None]:
    owner = uuid.uuid4()
    take = f"INSERT INTO {keyspace}.schema_lock (name, owner) VALUES ('migrate', %s) IF NOT EXISTS USING TTL {LOCK_S}"  # noqa: S608
    until = time.monotonic() + LOCK_S + 10
    while not _took(session.execute(take, (owner,)), owner):
        if time.monotonic() > until:
            raise SchemaBusy("another migration has been under way for minutes")
        time.sleep(ROUND_S)
    try:
        yield
    finally:
        session.execute(f"DELETE FROM {keyspace}.schema_lock WHERE name = 'migrate' IF owner = %s", (owner,))  # noqa: S608


def _took(answer: Any, owner: uuid.UUID) -> bool:
    (row,) = answer
    return bool(row["[applied]"]) or row.get("owner") == owner
