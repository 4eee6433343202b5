"""The folder behind the object store's port."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpu_consumers.ports import ObjectsUnavailable, StoredObject
from infra.objects.connect import open_objects
from infra.objects.folder import ASIDE, Folder, open_folder


def one(key: str) -> list[StoredObject]:
    return [StoredObject(key=key, body=b"x", media_type="image/png")]


def test_keys_are_listed_by_prefix(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put_now([*one("a/1"), *one("a/2"), *one("b/1")])
    assert list(folder.list_now()) == ["a/1", "a/2", "b/1"]
    assert list(folder.list_now("a/")) == ["a/1", "a/2"]


def test_what_a_dead_writer_left_is_not_listed_and_goes_when_it_is_old(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put_now(one("a/1"))
    left = tmp_path / f"{ASIDE}1-dead"
    left.mkdir()
    (left / "half.png").write_bytes(b"x")
    assert list(folder.list_now()) == ["a/1"]
    folder.sweep_now(older_s=3600)
    assert left.exists()
    os.utime(left, (0, 0))
    folder.sweep_now(older_s=3600)
    assert not left.exists()
    assert list(folder.list_now()) == ["a/1"]


async def test_what_would_be_below_an_object_is_absent_and_no_error_to_remove(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put_now(one("a/1"))
    await folder.remove(["a/1/2"])
    assert await folder.get("a/1") == b"x"


def test_a_folder_that_cannot_be_written_is_unavailable_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ObjectsUnavailable):
        Folder(tmp_path / "file").put_now(one("a/1"))
    with pytest.raises(ObjectsUnavailable):
        Folder(tmp_path).put_now(one("file/1"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("file:///data/objects", "/data/objects"),
        ("file:///with%20space", "/with space"),
        ("file://localhost/data", "/data"),
        ("file:///.darkroom/objects", "{cwd}/.darkroom/objects"),
        ("file:///./objects", "{cwd}/objects"),
    ],
)
def test_a_file_url_names_a_folder(url: str, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(open_folder(url).root) == root.format(cwd=tmp_path)


@pytest.mark.parametrize("url", ["", "/data", "file:", "file:///", "file://host/data", "s3://key:secret@bucket", "ftp://x"])
def test_any_other_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL") as refused:
        open_objects(url)
    assert "secret" not in str(refused.value)
