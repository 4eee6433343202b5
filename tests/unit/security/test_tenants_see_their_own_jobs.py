"""One tenant's jobs as another asks for them, in the stores that need no server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.jobstore.choose import open_jobs
from streams.ports import Claim, JobStore, Move
from tests.support.hostile_names import NAMES

NOW = time.time()


def claim(tenant: str, id: str) -> Claim:
    return Claim(tenant=tenant, id=id, fingerprint=b"f", source="0@0@1", submitted_at=NOW, model="noop@1", tier="ordinary")


@pytest.fixture(params=["memory:", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JobStore]:
    opened = open_jobs(f"sqlite:///{tmp_path / 'jobs.db'}" if request.param == "sqlite" else request.param)
    await opened.claim([claim("victim", "a"), claim("victim", "b")])
    await opened.move([Move(tenant="victim", id="a", to="succeeded", attempt=1, source="0@9", at=NOW, result=b"private")])
    yield opened
    await opened.close()


OTHERS = [
    "thief",
    "victi",
    "victim2",
    "VICTIM",
    "victim:",
    "%",
    "_",
    "v%",
    "victi_",
    "*",
    "' or 1=1 --",
    "victim' --",
    "",
    *NAMES,
]


async def test_no_other_tenant_reads_lists_or_changes_its_jobs(store: JobStore) -> None:
    for other in dict.fromkeys(OTHERS):
        if other == "victim" or "\ud800" in other:
            continue
        assert await store.get(other, "a") is None
        assert await store.recent(other, None, 10) == []
        assert await store.recent(other, "succeeded", 10) == []
        assert await store.cancel([(other, "b")], NOW) == [None]
    mine = await store.get("victim", "a")
    assert mine is not None
    assert (mine.state, mine.result) == ("succeeded", b"private")
    assert {one.id for one in await store.recent("victim", None, 10)} == {"a", "b"}
    assert (await store.cancel([("victim", "b")], NOW)) == ["queued"]


async def test_the_same_id_of_another_tenant_is_another_job(store: JobStore) -> None:
    assert [one.answer for one in await store.claim([claim("thief", "a")])] == ["new"]
    await store.move([Move(tenant="thief", id="a", to="failed", attempt=1, source="0@10", at=NOW)])
    theirs, mine = await store.get("thief", "a"), await store.get("victim", "a")
    assert theirs is not None
    assert mine is not None
    assert (theirs.state, mine.state) == ("failed", "succeeded")
