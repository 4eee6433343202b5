"""`darkroom schema`: applied once, however often and by how many it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

pytest.importorskip("cassandra", reason="needs the extra: cassandra")

from darkroom.cli.root import run
from infra.jobstore.cassandra import CassandraJobs
from infra.jobstore.cassandra_admin import migrate, session_of, status
from infra.jobstore.cassandra_place import place_of
from infra.schema.migrate import EXPIRING, FOLDER, migrations
from streams.ports import Claim, Note, StoreUnavailable
from tests.support.cassandras import TestCassandra
from tests.support.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def url(cassandra: TestCassandra) -> Iterator[str]:
    """A keyspace that two people migrated at the same time."""
    fresh = cassandra.node.url("fresh")
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda _: _said(fresh, cassandra), range(2)))
    assert sorted(len([line for line in one if "applied" in line]) for one in told) == [0, len(migrations())]
    yield fresh
    with session_of(place_of(fresh), cassandra.settings) as session:
        session.execute("DROP KEYSPACE fresh")


def _said(url: str, cassandra: TestCassandra, keep_days: int = 90) -> list[str]:
    told: list[str] = []
    migrate(url, replace(cassandra.settings, keep_days=keep_days), told.append)
    return told


def test_of_two_at_once_one_applies_and_a_third_finds_nothing_to_do(url: str, cassandra: TestCassandra) -> None:
    assert _said(url, cassandra) == []
    state = status(url, cassandra.settings)
    assert state.version == state.newest == len(migrations())
    assert state.replication["replication_factor"] == "1"


def test_how_long_jobs_are_kept_follows_the_settings(url: str, cassandra: TestCassandra) -> None:
    told = _said(url, cassandra, keep_days=30)
    assert told == [f"{name}: rows are kept for 30 days" for name in EXPIRING]
    assert status(url, cassandra.settings).keep_days == 30
    assert len(_said(url, cassandra, keep_days=90)) == len(EXPIRING)


async def test_what_is_written_forgets_itself(url: str, cassandra: TestCassandra) -> None:
    store = CassandraJobs(place_of(url), cassandra.settings)
    claimed = Claim(tenant="t", id="a", fingerprint=b"", source="s", submitted_at=1.7e9, model="m", tier="paid")
    await store.claim([claimed])
    with session_of(place_of(url), cassandra.settings) as session:
        ((left,),) = [tuple(row.values()) for row in session.execute("SELECT TTL(state) FROM fresh.jobs")]
        assert 89 * 86_400 < left <= 90 * 86_400
        session.execute("ALTER TABLE fresh.rejections WITH default_time_to_live = 1")
    assert await store.reject([Note(rejected="r", source="a", at=1.0)]) == ["won"]

    async def forgotten() -> bool:
        return await store.reject([Note(rejected="r", source="b", at=1.0)]) == ["won"]

    await eventually(forgotten, within=30)
    await store.close()


async def test_a_store_without_its_schema_says_what_to_do(cassandra: TestCassandra) -> None:
    store = CassandraJobs(place_of(cassandra.node.url("nowhere")), cassandra.settings)
    with pytest.raises(StoreUnavailable, match="darkroom schema migrate"):
        await store.get("acme", "a")
    await store.close()


def test_the_command_migrates_and_tells(
    url: str, cassandra: TestCassandra, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DARKROOM_STORE_JOBS", url)
    monkeypatch.setenv("DARKROOM_CASSANDRA_USER", cassandra.settings.user)
    monkeypatch.setenv("DARKROOM_CASSANDRA_PASSWORD", cassandra.settings.password)
    assert run(["schema", "migrate"]) == 0
    assert "the newest" in capsys.readouterr().out
    assert run(["schema", "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == len(migrations())
    assert run(["schema", "status", "--store", cassandra.node.url("nowhere")]) == 1
    assert "behind" in capsys.readouterr().err
    assert run(["schema", "migrate", "--store", "sqlite:///jobs.db"]) == 1
    assert "no Cassandra" in capsys.readouterr().err


def test_numbers_have_no_hole_and_every_statement_may_be_repeated(tmp_path: Path) -> None:
    for one in migrations(FOLDER):
        assert all("IF NOT EXISTS" in statement or statement.startswith("ALTER") for statement in one.statements)
    (tmp_path / "0002-late.cql").write_text("CREATE TABLE IF NOT EXISTS t (a int PRIMARY KEY);")
    with pytest.raises(AssertionError, match="hole"):
        migrations(tmp_path)
