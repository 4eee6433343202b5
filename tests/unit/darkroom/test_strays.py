"""Outputs that no result names are swept out, and nothing else is."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Literal

import pytest

from contracts.codec import encode
from contracts.events import Output, Result
from darkroom.cli.root import run
from darkroom.strays import sweep
from gpu_consumers.ports import StoredObject
from gpu_consumers.upload import key_of
from infra.jobstore import open_jobs
from infra.objects.folder import Folder
from streams.ports import Claim, JobStore, Move

HERE = ("acme:1", ".job")
"""Names that are written otherwise in a key."""
NOW = time.time()
"""A store forgets what is old."""


def key(group: str, tenant: str = HERE[0], id: str = HERE[1]) -> str:
    return key_of(tenant, id, f"2026-01-02/{group}-1", 0, 0, "png")


@pytest.fixture
def jobs_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
def objects(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "objects")


async def ends(jobs: JobStore, state: Literal["succeeded", "cancelled", "retrying"], *named: str) -> None:
    """The job ends so, and its result names these objects."""
    tenant, id = HERE
    outputs = [Output(key=one, url="", media_type="image/png", width=8, height=8, bytes=1, sha256="", seed=1) for one in named]
    claim = Claim(tenant=tenant, id=id, fingerprint=b"f", source="0@0", submitted_at=NOW, model="m@1", tier="paid")
    await jobs.claim([claim])
    result = encode(Result(id=id, tenant=tenant, state="succeeded", outputs=outputs)) if state == "succeeded" else None
    await jobs.move([Move(tenant=tenant, id=id, to=state, attempt=1, source="0@1", at=NOW, result=result)])


async def kept(objects: Folder, *keys: str) -> None:
    await objects.put([StoredObject(key=one, body=b"p", media_type="image/png") for one in keys])


async def test_of_a_job_that_succeeded_what_its_result_names_stays(objects: Folder) -> None:
    jobs = open_jobs("memory:")
    await ends(jobs, "succeeded", key("a"))
    await kept(objects, key("a"), key("b"), key("c"))
    assert await sweep(objects, jobs) == 2
    assert list(objects.list_now()) == [key("a")]


async def test_a_job_that_was_cancelled_has_no_outputs(objects: Folder) -> None:
    jobs = open_jobs("memory:")
    await ends(jobs, "cancelled")
    await kept(objects, key("a"))
    assert await sweep(objects, jobs) == 1


@pytest.mark.parametrize(
    "stays",
    [key("a", id="unheard-of"), "uploads/cat.png", "acme~1/2026-01-02/a-1/=.job.png", "acme~1/notes/a-1/=.job.0.0.png"],
)
async def test_what_nobody_can_tell_to_be_a_stray_stays(objects: Folder, stays: str) -> None:
    jobs = open_jobs("memory:")
    await ends(jobs, "cancelled")
    await kept(objects, stays)
    assert await sweep(objects, jobs) == 0
    assert list(objects.list_now()) == [stays]


async def test_a_job_that_has_not_ended_may_yet_name_it(objects: Folder) -> None:
    jobs = open_jobs("memory:")
    await ends(jobs, "retrying")
    await kept(objects, key("a"))
    assert await sweep(objects, jobs) == 0


def test_the_command_tells_how_many(
    objects: Folder, jobs_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def before() -> None:
        jobs = open_jobs(jobs_url)
        await ends(jobs, "succeeded", key("a"))
        await jobs.close()
        await kept(objects, key("a"), *(key(f"{number:x}") for number in range(11, 300)))

    asyncio.run(before())
    monkeypatch.setenv("DARKROOM_STORE_JOBS", jobs_url)
    arguments = ("bucket", "sweep", "--objects", objects.root.as_uri())
    for swept in (289, 0):
        assert run(arguments) == 0
        assert capsys.readouterr().out == f"{swept} objects removed\n"
    assert list(objects.list_now()) == [key("a")]
