"""Where a job's picture comes from, and what its owner is told if it does not come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.codec import encode
from contracts.errors import ERROR_CODES
from gpu_consumers import images
from gpu_consumers.flight import Flight, Source, open_batch
from gpu_consumers.frames import Unmade
from gpu_consumers.images import Images
from gpu_consumers.ports import ObjectsUnavailable, PictureRefused, PictureUnavailable, StoredObject
from infra.objects.folder import Folder
from tests.support.batches import batch, queued

SOURCE = Source(topic="batches.default", partition=0, offset=0)
URL = "https://pictures.example/secret-path?token=secret"


class Web:
    """The web, as one answer."""

    def __init__(self, answer: Callable[[], bytes]) -> None:
        self._answer = answer
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        return self._answer()


def fails(error: Exception) -> Callable[[], bytes]:
    def answer() -> bytes:
        raise error

    return answer


def flight(*wanted: str | None, tenant: str = "t") -> Flight:
    jobs = [queued(f"{n}", tenant=tenant, image=image) for n, image in enumerate(wanted)]
    return open_batch(1, SOURCE, encode(batch("b", jobs)), time.time())


async def only_failure(store: Folder, web: Web, image: str, tenant: str = "t") -> Unmade:
    found, (unmade,) = await Images(store, web).of(flight(image, tenant=tenant))
    assert not found
    assert unmade.code in ERROR_CODES
    assert unmade.message.startswith("inputs.image: ")
    return unmade


async def test_each_job_of_a_batch_gets_its_own_picture(tmp_path: Path) -> None:
    store, web = Folder(tmp_path), Web(lambda: b"of the web")
    store.put_now([StoredObject(key="t/d/g/1.png", body=b"of the store", media_type="image/png")])
    found, unmade = await Images(store, web).of(flight("t/d/g/1.png", None, URL))
    assert (found, unmade) == ({0: b"of the store", 2: b"of the web"}, [])
    assert web.asked == [URL]


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (PictureRefused("its host is not on the public internet"), "image_unavailable", False),
        (PictureUnavailable("did not come within 10 s"), "image_unavailable", True),
        (ZeroDivisionError(f"a bug of ours at {URL}"), "internal", True),
    ],
    ids=str,
)
async def test_a_failure_names_the_field_and_nothing_of_the_url(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception, code: str, retryable: bool
) -> None:
    unmade = await only_failure(Folder(tmp_path), Web(fails(error)), URL)
    assert (unmade.code, unmade.retryable) == (code, retryable)
    assert "secret" not in unmade.message + caplog.text


async def test_anothers_object_and_one_that_is_not_there_look_the_same(tmp_path: Path) -> None:
    store, web = Folder(tmp_path), Web(lambda: b"")
    store.put_now([StoredObject(key="victim/d/g/1.png", body=b"private", media_type="image/png")])
    anothers = await only_failure(store, web, "victim/d/g/1.png", tenant="thief")
    absent = await only_failure(store, web, "victim/d/g/2.png", tenant="thief")
    own = await only_failure(store, web, "thief/d/g/2.png", tenant="thief")
    assert {(one.code, one.message, one.retryable) for one in (anothers, absent, own)} == {
        ("invalid", "inputs.image: there is no such object", False)
    }


@pytest.mark.parametrize("tenant", ["vic", "victim-2", "VICTIM", "v", ".victim", "victim.", "victim:x"])
async def test_a_tenant_whose_name_is_like_anothers_has_none_of_its_objects(tmp_path: Path, tenant: str) -> None:
    store = Folder(tmp_path)
    store.put_now([StoredObject(key="victim/d/g/1.png", body=b"private", media_type="image/png")])
    for key in ("victim/d/g/1.png", f"{tenant}/../victim/d/g/1.png", f"{tenant}/d/../../victim/d/g/1.png"):
        assert (await only_failure(store, Web(lambda: b""), key, tenant=tenant)).code == "invalid"


async def test_an_object_store_that_is_away_is_asked_again_later(tmp_path: Path) -> None:
    class Away(Folder):
        def get_now(self, key: str) -> bytes:
            raise ObjectsUnavailable(key)

    unmade = await only_failure(Away(tmp_path), Web(lambda: b""), "t/secret/1.png")
    assert (unmade.code, unmade.retryable) == ("storage", True)
    assert "secret" not in unmade.message


async def test_more_pictures_than_one_batch_may_hold_wait_for_another_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "BATCH_BYTES", 25)
    found, unmade = await Images(Folder(tmp_path), Web(lambda: bytes(10))).of(flight(URL, URL, URL))
    assert len(found) == 2
    assert [(one.code, one.retryable) for one in unmade] == [("image_unavailable", True)]


async def test_slow_pictures_cost_their_own_jobs_and_the_batch_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Web):
        async def fetch(self, url: str) -> bytes:
            if "slow" in url:
                await asyncio.Event().wait()
            return b"picture"

    monkeypatch.setattr(images, "BATCH_S", 0.05)
    found, unmade = await Images(Folder(tmp_path), Slow(lambda: b"")).of(flight(URL, f"{URL}&slow", None))
    assert found == {0: b"picture"}
    assert [(one.place, one.code, one.retryable) for one in unmade] == [(1, "image_unavailable", True)]
