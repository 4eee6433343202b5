"""The SQLite file of the job store: opening it, its schema, and what its failures mean."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.ports import StoreUnavailable

BUSY_S = 10.0
"""How long to wait for another process's transaction; one takes milliseconds, a checkpoint of a slow disk a second."""

CHECKPOINT_PAGES = 4000
"""16 MB of write-ahead log between checkpoints: the default of 4 MB syncs the disk several times a second under load."""

MIGRATIONS = (
    """
    CREATE TABLE jobs (
        tenant TEXT NOT NULL, id TEXT NOT NULL, fingerprint BLOB NOT NULL, claimed_by TEXT NOT NULL, state TEXT NOT NULL,
        attempt INTEGER NOT NULL, moved_by TEXT NOT NULL, model TEXT NOT NULL, tier TEXT NOT NULL,
        submitted_at REAL NOT NULL, updated_at REAL NOT NULL, result BLOB
    );
    CREATE UNIQUE INDEX jobs_by_id ON jobs (tenant, id);
    CREATE TABLE cancels (tenant TEXT NOT NULL, id TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (tenant, id)) WITHOUT ROWID;
    CREATE TABLE rejections (rejected TEXT PRIMARY KEY, source TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX cancels_by_age ON cancels (at);
    CREATE INDEX rejections_by_age ON rejections (at);
    """,
)
"""Each brings the schema from version n to n + 1; SQLite's user_version tells how many were applied."""


class SchemaTooNew(Exception):
    """The file was written by a newer Darkroom."""


def connect(file: Path) -> sqlite3.Connection:
    """Open the file, made if absent with its folder, at the newest schema. Raises `StoreUnavailable`, `SchemaTooNew`."""
    with storing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None, cached_statements=256)
        try:
            _use_wal(db)
            db.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing; a power cut loses what Kafka keeps
            db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            db.execute("PRAGMA cache_size = -32768")  # kB
            _migrate(db, file)
        except BaseException:
            db.close()
            raise
        return db


def _use_wal(db: sqlite3.Connection) -> None:
    # The one statement that does not wait for another process that opens the same new file: it fails at once.
    until = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _migrate(db: sqlite3.Connection, file: Path) -> None:
    if _version(db) == len(MIGRATIONS):
        return
    with transaction(db):
        version = _version(db)  # another process may have been first
        if version > len(MIGRATIONS):
            raise SchemaTooNew(f"{file}: schema {version}, this Darkroom knows {len(MIGRATIONS)}")
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. IMMEDIATE: a read that becomes a write fails at once, whatever the timeout, if another wrote meanwhile."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def storing(file: Path) -> Iterator[None]:
    """Turn what SQLite and the disk say into `StoreUnavailable`, with the file's name."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"{file}: {error}") from error
