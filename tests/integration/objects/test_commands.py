"""`darkroom bucket` and `darkroom url`, on a real S3 server."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.codec import encode
from contracts.events import Output, Result
from darkroom.cli.root import run
from darkroom.errors import DarkroomError
from darkroom.save import save_outputs
from gpu_consumers.ports import StoredObject
from infra.jobstore import open_jobs
from infra.local.s3 import LocalS3
from infra.objects.connect import open_objects
from streams.ports import Claim, Move
from tests.support.s3 import fetched, use

pytestmark = pytest.mark.integration
pytest.importorskip("boto3", reason="needs the extra: s3")


def claim(tenant: str, id: str) -> Claim:
    return Claim(tenant=tenant, id=id, fingerprint=b"f", source="0@0@0", submitted_at=time.time(), model="m@1", tier="ordinary")


async def keep_result(url: str, result: Result) -> None:
    store = open_jobs(url)
    await store.claim([claim(result.tenant, result.id)])
    source, body = "0@1", encode(result)
    move = Move(tenant=result.tenant, id=result.id, to="succeeded", attempt=None, source=source, at=time.time(), result=body)
    await store.move([move])
    await store.close()


async def keep_picture(url: str, key: str) -> Output:
    store = open_objects(url)
    (at,) = await store.put([StoredObject(key=key, body=b"picture", media_type="image/png")])
    store.close()
    digest = hashlib.sha256(b"picture").hexdigest()
    return Output(key=key, url=at, media_type="image/png", width=8, height=8, bytes=7, sha256=digest, seed=1)


Kept = Callable[..., Result]


@pytest.fixture
def kept(s3: LocalS3, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """Keeps the result of a job whose output has this key."""
    jobs, objects = f"sqlite:///{tmp_path / 'jobs.db'}", s3.url(bucket, "out")
    monkeypatch.setenv("DARKROOM_STORE_JOBS", jobs)
    monkeypatch.setenv("DARKROOM_STORE_OBJECTS", objects)

    def keep(key: str, tenant: str = "acme") -> Result:
        output = asyncio.run(keep_picture(objects, key))
        result = Result(id="job-1", tenant=tenant, state="succeeded", outputs=[output])
        asyncio.run(keep_result(jobs, result))
        return result

    return keep


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = run(arguments)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_bucket_is_made_once_and_what_the_server_cannot_do_is_said(
    s3: LocalS3, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(s3, monkeypatch)
    name = f"test-{uuid.uuid4().hex}"
    for state in ("made", "there already"):
        status, out, err = told(capsys, "bucket", "setup", "--objects", s3.url(name))
        assert (status, err) == (0, "")
        first, public, lifecycle = out.splitlines()
        assert first == f"bucket {name}: {state}"
        assert "this server" in public
        assert "this server has no such rules" in lifecycle
    assert told(capsys, "bucket", "tidy", "--objects", s3.url(name)) == (0, "tidied\n", "")


@pytest.mark.parametrize("verb", ["setup", "tidy", "sweep"])
def test_a_store_that_does_not_do_it_is_told_in_one_line(
    s3: LocalS3, bucket: str, verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-this-one")
    monkeypatch.setenv("DARKROOM_STORE_JOBS", "memory:")
    status, out, err = told(capsys, "bucket", verb, "--objects", s3.url(bucket))
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "not-this-one" not in err
    status, out, err = told(capsys, "bucket", verb, "--objects", "s3://key:secret@bucket")
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "secret" not in err


def test_a_tenant_gets_a_link_to_its_own_output(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    kept("acme/2026-01-01/w-1/job-1.0.0.png")
    status, out, _ = told(capsys, "url", "job-1", "--tenant", "acme")
    assert status == 0
    assert asyncio.run(fetched(out.strip())) == (200, b"picture", "image/png")


def test_another_tenant_gets_none(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    kept("acme/2026-01-01/w-1/job-1.0.0.png")
    assert told(capsys, "url", "job-1", "--tenant", "umbra") == (1, "", "darkroom: umbra has no job job-1.\n")


def test_a_result_that_names_another_tenants_object_gets_none(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    kept("acme/2026-01-01/w-1/job-1.0.0.png", tenant="umbra")
    status, out, err = told(capsys, "url", "job-1", "--tenant", "umbra")
    assert (status, out) == (1, "")
    assert "not an object of this tenant" in err


def test_an_output_is_saved_from_the_bucket_and_checked(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = kept("acme/2026-01-01/w-1/job 1.0.0.png")
    (file,) = save_outputs(result, tmp_path / "saved.png")
    assert file.read_bytes() == b"picture"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-this-one")
    with pytest.raises(DarkroomError, match="cannot be fetched") as refused:
        save_outputs(result, tmp_path / "again.png")
    assert "not-this-one" not in str(refused.value)
    assert not (tmp_path / "again.png").exists()
