"""What every object store must do. Add an adapter by adding it to `stores`."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from gpu_consumers.ports import DamagedObject, NoSuchObject, StoredObject
from infra.objects.connect import download, open_objects
from infra.objects.store import Objects

HOSTILE = [
    "", ".", "..", "/", "//", "/etc/passwd", "../x", "../../x", "a/../b", "a/..", "a/../../b", "./a", "a/./b", "a//b", "a/",
    "/a", "~/../x/..", "a\0b", "\0", "..\\x", "a\\..\\b", "C:\\x\\y", "a\nb", "a\rb", "\x1b[2J", "a\tb", ".hidden", "a/.hidden",
    ".part-1-x", "a/.part-1-x", "...", "a/...", "\u202etxt", "a\u0000/..", "\ud800", "x" * 256, "a/" + "y" * 256, "é" * 128,
    "%2e%2e/../x", "..%2f/../x", "file:///etc/passwd", "a/..;/b/..", "....//....//x", "\ufeff..", "a/\u200e..",
]  # fmt: skip


def urls(kind: str, request: pytest.FixtureRequest, folder: Path) -> tuple[str, str]:
    """The URL of the store, and that of its fallback."""
    if kind.startswith("folder"):
        return folder.as_uri() + kind.removeprefix("folder"), ""
    s3 = request.getfixturevalue("s3").url(request.getfixturevalue("bucket"), "some/prefix")
    return (s3, "") if kind == "s3" else (folder.as_uri(), s3)


@pytest.fixture(params=["folder", "folder?fsync=1", "s3", "folder, then s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Objects]:
    url, fallback = urls(request.param, request, tmp_path / "objects")
    opened = open_objects(url, fallback=fallback)
    yield opened
    opened.close()


def objects(*keys: str, body: bytes = b"picture") -> list[StoredObject]:
    return [StoredObject(key=key, body=body, media_type="image/png") for key in keys]


async def test_what_was_put_is_got_back(store: Objects) -> None:
    several = [StoredObject(key=f"t/d/g-1/{n}.png", body=bytes([n]) * n * 1000, media_type="image/png") for n in range(20)]
    urls = await store.put(several)
    assert len(set(urls)) == len(several)
    assert [await store.get(one.key) for one in several] == [one.body for one in several]


async def test_objects_of_several_folders_are_put_in_one_go(store: Objects) -> None:
    await store.put(objects("a/1", "b/c/2", "a/3", "4"))
    assert [await store.get(key) for key in ("a/1", "b/c/2", "a/3", "4")] == [b"picture"] * 4


async def test_putting_again_replaces_and_leaves_the_neighbours(store: Objects) -> None:
    await store.put(objects("t/g/1", "t/g/2"))
    await store.put(objects("t/g/2", "t/g/3", body=b"again"))
    assert [await store.get(f"t/g/{n}") for n in (1, 2, 3)] == [b"picture", b"again", b"again"]


async def test_the_same_key_twice_in_one_go_ends_as_one_of_them(store: Objects) -> None:
    await store.put(objects("t/1") + objects("t/1", body=b"other"))
    assert await store.get("t/1") in {b"picture", b"other"}


async def test_nothing_to_put_is_nothing_put(store: Objects) -> None:
    assert await store.put([]) == []


async def test_an_absent_object_is_not_got_and_not_missed_when_removed(store: Objects) -> None:
    with pytest.raises(NoSuchObject):
        await store.get("t/1")
    await store.remove(["t/1", "no/such/folder", ".."])


async def test_a_folder_of_objects_is_no_object(store: Objects) -> None:
    await store.put(objects("t/g/1"))
    with pytest.raises(NoSuchObject):
        await store.get("t/g")
    with pytest.raises(NoSuchObject):
        await store.get("t/g/1/2")
    await store.remove(["t/g"])
    assert await store.get("t/g/1") == b"picture"


async def test_a_removed_object_is_gone_and_its_neighbours_stay(store: Objects) -> None:
    await store.put(objects("t/1", "t/2"))
    await store.remove(["t/1"])
    with pytest.raises(NoSuchObject):
        await store.get("t/1")
    assert await store.get("t/2") == b"picture"


async def test_writers_at_the_same_time_lose_nothing(store: Objects) -> None:
    await asyncio.gather(*(store.put(objects(*(f"t/shared/{w}-{n}" for n in range(10)))) for w in range(8)))
    assert {await store.get(f"t/shared/{w}-{n}") for w in range(8) for n in range(10)} == {b"picture"}


async def refused(store: Objects, key: str) -> bool:
    for call in (store.get(key), store.put(objects(key))):
        try:
            await call
        except NoSuchObject:
            continue
        return False
    await store.remove([key])
    return True


async def test_hostile_keys_reach_nothing(store: Objects, tmp_path: Path) -> None:
    outside = tmp_path / "x"
    outside.write_text("outside")
    assert [key for key in HOSTILE if not await refused(store, key)] == []
    assert outside.read_text() == "outside"
    assert {one.name for one in os.scandir(tmp_path)} <= {"x", "objects"}
    assert await asyncio.to_thread(lambda: list(store.list_now())) == []


async def test_a_batch_with_one_hostile_key_puts_nothing(store: Objects) -> None:
    with pytest.raises(NoSuchObject):
        await store.put(objects("t/1", "../x"))
    with pytest.raises(NoSuchObject):
        await store.get("t/1")


async def test_a_url_leads_to_the_bytes(store: Objects) -> None:
    key = "a b/#?%41~=/x+y.png"
    (url,) = await store.put(objects(key))
    assert url == store.url_of(key)
    assert unquote(urlsplit(url).path).endswith(f"/{key}")
    assert await asyncio.to_thread(download, url) == b"picture"


async def test_an_object_that_is_not_what_its_sha256_says_is_refused_and_not_there(store: Objects) -> None:
    said = hashlib.sha256(b"picture").hexdigest()
    await store.put([StoredObject(key="t/1", body=b"picture", media_type="image/png", sha256=said)])
    with pytest.raises(DamagedObject):
        await store.put([StoredObject(key="t/2", body=b"pictura", media_type="image/png", sha256=said)])
    assert await store.get("t/1") == b"picture"
    with pytest.raises(NoSuchObject):
        await store.get("t/2")


async def test_a_link_is_given_for_the_object_that_the_url_names_and_no_other(store: Objects) -> None:
    (url,) = await store.put(objects("t/1"))
    assert urlsplit(store.link("t/1", url, 900)).path == urlsplit(url).path or "X-Amz-Signature=" in store.link("t/1", url, 900)
    for key, other in (("t/2", url), ("t/1", store.url_of("t/2")), ("t/1", "s3://other/t/1"), ("../t/1", url)):
        with pytest.raises(NoSuchObject):
            store.link(key, other, 900)


async def test_tidying_up_leaves_what_is_stored(store: Objects) -> None:
    await store.put(objects("t/1"))
    await store.tidy()
    assert await store.get("t/1") == b"picture"


async def test_what_is_stored_is_listed_by_its_beginning(store: Objects) -> None:
    await store.put(objects("t/a/1", "t/a/2", "t/b/1", "u/1"))
    assert await asyncio.to_thread(lambda: list(store.list_now())) == ["t/a/1", "t/a/2", "t/b/1", "u/1"]
    assert await asyncio.to_thread(lambda: list(store.list_now("t/a/"))) == ["t/a/1", "t/a/2"]
