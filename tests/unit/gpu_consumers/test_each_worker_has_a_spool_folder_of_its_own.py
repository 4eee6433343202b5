"""Folders of several workers under one root, by real locks."""

from __future__ import annotations

from pathlib import Path

from gpu_consumers.spool_folder import SpoolFolder


def test_workers_that_live_have_different_folders(tmp_path: Path) -> None:
    first, second = SpoolFolder(tmp_path / "s", "a"), SpoolFolder(tmp_path / "s", "b")
    (first.path / "1.parcel").write_bytes(b"x")
    third = SpoolFolder(tmp_path / "s", "c")
    assert len({first.path, second.path, third.path}) == 3
    assert [one.name for one in first.path.iterdir()] == ["1.parcel"]
    for one in (first, second, third):
        one.close()


def test_who_starts_takes_over_all_that_dead_workers_left(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        folder = SpoolFolder(tmp_path, name)
        (folder.path / f"{name}.parcel").write_bytes(b"x")
        living = SpoolFolder(tmp_path, f"{name}-living")
        folder.close()  # as the end of a process does
        heir = SpoolFolder(tmp_path, "heir")
        assert f"{name}.parcel" in {one.name for one in heir.path.iterdir()}
        living.close()
        heir.close()
    last = SpoolFolder(tmp_path, "last")
    assert sorted(one.name for one in last.path.iterdir()) == ["a.parcel", "b.parcel", "c.parcel"]
    assert [one for one in tmp_path.iterdir() if one.is_dir()] == [last.path]
    last.close()


def test_an_empty_folder_goes_with_its_worker(tmp_path: Path) -> None:
    SpoolFolder(tmp_path, "a").close()
    assert not [one for one in tmp_path.iterdir() if one.is_dir()]


def test_only_the_owner_may_look_inside(tmp_path: Path) -> None:
    folder = SpoolFolder(tmp_path / "s", "a")
    assert folder.path.stat().st_mode & 0o077 == 0
    folder.close()
