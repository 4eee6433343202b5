"""What only the SQLite store can do wrong: files, disks, other processes."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.jobstore import open_jobs
from infra.jobstore.rules import KEEP_JOBS_S
from infra.jobstore.sqlite import SqliteJobs
from infra.jobstore.sqlite_file import MIGRATIONS, SchemaTooNew
from streams.ports import Claim, Move, StoreUnavailable


def claim(id: str, source: str = "0@1@2") -> Claim:
    return Claim(tenant="acme", id=id, fingerprint=b"one", source=source, submitted_at=1.0, model="m@1", tier="paid")


def ended(id: str, *, at: float) -> Move:
    return Move(tenant="acme", id=id, to="succeeded", attempt=1, source=f"run of {id}", at=at, result=b"{}")


@dataclass
class Clock:
    now: float = 1.0

    def __call__(self) -> float:
        return self.now


async def test_what_was_claimed_survives_the_process(tmp_path: Path) -> None:
    first = SqliteJobs(tmp_path / "jobs.db")
    await first.claim([claim("a")])
    await first.close()
    second = SqliteJobs(tmp_path / "jobs.db")
    assert (await second.claim([claim("a")]))[0].answer == "replay"
    await second.close()


async def test_jobs_are_forgotten_long_after_their_end_and_those_on_their_way_never(tmp_path: Path) -> None:
    clock = Clock()
    store = SqliteJobs(tmp_path / "jobs.db", clock)
    names = [f"{number}" for number in range(10)]
    await store.claim([claim(name) for name in [*names, "waiting"]])
    await store.move([ended(name, at=1.0) for name in names])
    clock.now += KEEP_JOBS_S - 1
    await store.move([ended("a", at=clock.now)])
    assert len(await store.recent("acme", None, 100)) == 12
    clock.now += 2
    for name in ("b", "c", "d", "e", "f", "g", "h"):  # each looks at the two oldest
        await store.move([ended(name, at=clock.now)])
    left = {row.id for row in await store.recent("acme", None, 100)}
    await store.close()
    assert left == {"waiting", "a", "b", "c", "d", "e", "f", "g", "h"}


async def test_a_file_of_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    with sqlite3.connect(file) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    store = SqliteJobs(file)
    with pytest.raises(SchemaTooNew, match=r"jobs\.db"):
        await store.claim([claim("a")])
    await store.close()


async def test_a_broken_file_is_unavailable_and_named(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    file.write_bytes(b"this is no database, whatever its name says" * 100)
    store = SqliteJobs(file)
    with pytest.raises(StoreUnavailable, match=r"jobs\.db: file is not a database"):
        await store.claim([claim("a")])
    await store.close()


async def test_a_full_disk_is_unavailable_and_loses_nothing(tmp_path: Path) -> None:
    store = SqliteJobs(tmp_path / "jobs.db")
    await store.claim([claim("a")])
    db = store._open[store._writer]
    pages = await asyncio.get_running_loop().run_in_executor(store._writer, _limit, db)
    with pytest.raises(StoreUnavailable, match="full"):
        await store.claim([claim(f"{n}" * 20) for n in range(pages * 100)])
    # The connection was replaced, and with it the limit: the disk has room again.
    assert [one.answer for one in await store.claim([claim("a"), claim("b")])] == ["replay", "new"]
    await store.close()


def _limit(db: sqlite3.Connection) -> int:
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    return int(pages)


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = SqliteJobs(tmp_path / "file" / "jobs.db")
    with pytest.raises(StoreUnavailable):
        await store.claim([claim("a")])
    await store.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from infra.jobstore.sqlite import SqliteJobs
from streams.ports import Claim

async def main(file, source):
    store = SqliteJobs(Path(file))
    for chunk in range(20):
        ids = range(chunk * 100, chunk * 100 + 100)
        same = dict(tenant="t", fingerprint=b"", source=source, submitted_at=1.0, model="m", tier="paid")
        claims = [Claim(id=f"{n}", **same) for n in ids]
        print(*(one.answer for one in await store.claim(claims)))
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


def test_of_two_processes_that_race_for_two_thousand_ids_each_id_has_one_owner(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "jobs.db")]
    racers = [subprocess.Popen([*command, source], stdout=subprocess.PIPE, text=True) for source in ("one", "two")]
    first, second = (racer.communicate(timeout=60)[0].split() for racer in racers)
    assert [racer.returncode for racer in racers] == [0, 0]
    assert len(first) == len(second) == 2000
    assert all({one, other} == {"new", "same"} for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///", "postgres://user:secret@host/db"])
def test_a_url_of_no_store_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"store\.jobs") as refused:
        open_jobs(url)
    assert "secret" not in str(refused.value)
