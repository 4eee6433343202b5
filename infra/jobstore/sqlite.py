"""The job store in one SQLite file: no server, several processes at once.

Every call is one transaction in a thread of its own, so that the event loop never waits for the disk. Statements take
whole chunks: a thread that steps through rows one by one has to win Python's lock from a busy loop for each.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from contracts.events import TERMINAL, State
from contracts.work import Verdict
from infra.jobstore.rules import KEEP_JOBS_S, KEEP_S, Row, claimed, moved, taken
from infra.jobstore.sqlite_file import connect, storing, transaction
from streams.ports import Claim, Claimed, JobRow, Move, Note, StoreUnavailable

T = TypeVar("T")
Key = tuple[str, str]

SIZES = (256, 64, 16, 4, 1)
"""Rows of the prepared statements that a chunk is cut into; one statement for each chunk's own size would never be reused."""

_COLUMNS = ", ".join(Row._fields)
_JOB = f"({', '.join('?' * 12)})"
_CHANGE = "ON CONFLICT (tenant, id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in Row._fields if name not in {"tenant", "id", "submitted_at"}
)
_JOINED = ", ".join(f"jobs.{name}" for name in Row._fields)


class SqliteJobs:
    """`streams.ports.JobStore` in a file."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="jobstore-write")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="jobstore-read")
        self._open: dict[ThreadPoolExecutor, sqlite3.Connection] = {}

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """See `JobStore.claim`."""
        return await self._write(_claim, claims) if claims else []

    async def cancel(self, jobs: Sequence[Key], at: float) -> list[State | None]:
        """See `JobStore.cancel`."""
        return await self._write(_cancel, jobs, at) if jobs else []

    async def move(self, moves: Sequence[Move]) -> list[Verdict]:
        """See `JobStore.move`."""
        return await self._write(_move, moves, self._clock() - KEEP_JOBS_S) if moves else []

    async def reject(self, notes: Sequence[Note]) -> list[Verdict]:
        """See `JobStore.reject`."""
        return await self._write(_reject, notes) if notes else []

    async def get(self, tenant: str, id: str) -> JobRow | None:
        """See `JobStore.get`."""
        row = (await self._run(self._reader, _load, [(tenant, id)])).get((tenant, id))
        return row.public() if row else None

    async def recent(self, tenant: str | None, state: State | None, limit: int) -> list[JobRow]:
        """See `JobStore.recent`."""
        return await self._run(self._reader, _recent, tenant, state, limit)

    async def close(self) -> None:
        """See `JobStore.close`."""
        loop = asyncio.get_running_loop()
        for thread in (self._reader, self._writer):
            await loop.run_in_executor(thread, self._drop, thread)
            thread.shutdown()

    async def _write(self, work: Callable[..., T], *arguments: Any) -> T:
        def inside(db: sqlite3.Connection) -> T:
            with transaction(db):
                return work(db, *arguments)

        return await self._run(self._writer, inside)

    async def _run(self, thread: ThreadPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(thread, self._guarded, thread, work, arguments)

    def _guarded(self, thread: ThreadPoolExecutor, work: Callable[..., T], arguments: Sequence[Any]) -> T:
        try:
            with storing(self._file):
                db = self._open.get(thread)
                if db is None:
                    db = self._open[thread] = connect(self._file)
                return work(db, *arguments)
        except StoreUnavailable:
            self._drop(thread)  # after a full disk or a broken file a new connection is the way back
            raise

    def _drop(self, thread: ThreadPoolExecutor) -> None:
        db = self._open.pop(thread, None)
        if db is not None:
            with suppress(sqlite3.Error):
                db.close()


def _pieces(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Slices of the sizes that statements are prepared for."""
    at = 0
    for size in SIZES:
        while len(items) - at >= size:
            yield items[at : at + size]
            at += size


def _load(db: sqlite3.Connection, keys: Iterable[Key]) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for piece in _pieces(list(dict.fromkeys(keys))):
        values = ", ".join(["(?, ?)"] * len(piece))
        # CROSS JOIN keeps the order: the few keys first, then the index, never a walk through all jobs.
        asked = f"SELECT {_JOINED} FROM (VALUES {values}) AS k CROSS JOIN jobs ON tenant = k.column1 AND id = k.column2"  # noqa: S608 - only question marks are put in
        for row in db.execute(asked, list(chain.from_iterable(piece))).fetchall():
            found[row[0], row[1]] = Row._make(row)
    return found


def _save(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Insert new rows and change those that are there, which keep their place in the order of claims."""
    for piece in _pieces(rows):
        values = ", ".join([_JOB] * len(piece))
        db.execute(f"INSERT INTO jobs ({_COLUMNS}) VALUES {values} {_CHANGE}", list(chain.from_iterable(piece)))  # noqa: S608


def _claim(db: sqlite3.Connection, claims: Sequence[Claim]) -> list[Claimed]:
    keys = [(one.tenant, one.id) for one in claims]
    rows = _load(db, keys)
    cancelled = _cancelled(db, keys)
    fresh: dict[Key, Row] = {}
    answers = []
    for key, claim in zip(keys, claims, strict=True):
        ours = taken(rows.get(key), claim)
        if ours:
            rows[key] = fresh[key] = ours
        answers.append(claimed(rows[key], claim, new=ours is not None, cancelled=key in cancelled))
    _save(db, list(fresh.values()))
    return answers


def _cancelled(db: sqlite3.Connection, keys: Sequence[Key]) -> set[Key]:
    if db.execute("SELECT 1 FROM cancels LIMIT 1").fetchone() is None:
        return set()  # as good as always
    found: set[Key] = set()
    for piece in _pieces(keys):
        values = ", ".join(["(?, ?)"] * len(piece))
        asked = f"SELECT tenant, id FROM (VALUES {values}) AS k CROSS JOIN cancels ON tenant = k.column1 AND id = k.column2"  # noqa: S608
        found.update(db.execute(asked, list(chain.from_iterable(piece))).fetchall())
    return found


def _cancel(db: sqlite3.Connection, jobs: Sequence[Key], at: float) -> list[State | None]:
    rows = _load(db, jobs)
    early = [(tenant, name, at) for tenant, name in jobs if (tenant, name) not in rows]
    db.executemany("INSERT OR REPLACE INTO cancels VALUES (?, ?, ?)", early)
    if early:
        db.execute("DELETE FROM cancels WHERE at < ?", (at - KEEP_S,))
    return [rows[key].state if key in rows else None for key in jobs]


def _move(db: sqlite3.Connection, moves: Sequence[Move], forgotten: float) -> list[Verdict]:
    rows = _load(db, [(one.tenant, one.id) for one in moves])
    changed: dict[Key, Row] = {}
    verdicts = []
    for move in moves:
        key = move.tenant, move.id
        verdict, row = moved(rows.get(key), move)
        verdicts.append(verdict)
        if row is not None:
            rows[key] = changed[key] = row
    _save(db, list(changed.values()))
    _forget(db, forgotten, most=2 * len(moves))
    return verdicts


def _forget(db: sqlite3.Connection, before: float, *, most: int) -> None:
    """Drop old jobs that have ended, looking at the oldest few only: twice as many as came keeps the file from growing."""
    oldest = "SELECT rowid FROM jobs ORDER BY rowid LIMIT ?"
    ended = f"state IN ({', '.join('?' * len(TERMINAL))})"
    db.execute(f"DELETE FROM jobs WHERE rowid IN ({oldest}) AND updated_at < ? AND {ended}", [most, before, *TERMINAL])  # noqa: S608


def _reject(db: sqlite3.Connection, notes: Sequence[Note]) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for note in notes:
        taken = db.execute("INSERT OR IGNORE INTO rejections VALUES (?, ?, ?)", (note.rejected, note.source, note.at))
        if taken.rowcount:
            verdicts.append("won")
            continue
        (by,) = db.execute("SELECT source FROM rejections WHERE rejected = ?", (note.rejected,)).fetchone()
        verdicts.append("again" if by == note.source else "late")
    db.execute("DELETE FROM rejections WHERE at < ?", (notes[-1].at - KEEP_S,))
    return verdicts


def _recent(db: sqlite3.Connection, tenant: str | None, state: State | None, limit: int) -> list[JobRow]:
    wanted = {"tenant": tenant, "state": state}
    named = [name for name, value in wanted.items() if value is not None]
    where = " AND ".join(f"+{name} = :{name}" for name in named) or "TRUE"
    asked = f"SELECT {_COLUMNS} FROM jobs WHERE {where} ORDER BY rowid DESC LIMIT :limit"  # noqa: S608
    return [Row._make(columns).public() for columns in db.execute(asked, {**wanted, "limit": limit}).fetchall()]
