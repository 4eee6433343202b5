from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from infra.local import jars
from infra.local.errors import JarUnavailableError
from infra.local.jars import Jar, fetch, pinned

if TYPE_CHECKING:
    from pathlib import Path

BYTES = b"PK not really a jar"


@pytest.fixture
def jar() -> Jar:
    return Jar(group="org.example", artifact="thing", version="1.2", sha256=hashlib.sha256(BYTES).hexdigest())


@pytest.fixture
def repository(tmp_path: Path, jar: Jar, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Maven repository in a folder, the one that downloads come from."""
    monkeypatch.setenv("DARKROOM_MAVEN_REPOSITORY", (tmp_path / "repository").as_uri())
    monkeypatch.setattr(jars, "PAUSES", (0.0, 0.0))
    file = tmp_path / "repository" / jar.path
    file.parent.mkdir(parents=True)
    file.write_bytes(BYTES)
    return tmp_path / "repository"


def test_the_pinned_list_is_kafka_with_a_hash_for_every_jar() -> None:
    listed = pinned()
    assert len({jar.file_name for jar in listed}) == len(listed) == 45
    assert all(len(jar.sha256) == 64 for jar in listed)
    assert any((jar.artifact, jar.version) == ("kafka_2.13", "4.4.0") for jar in listed)


@pytest.mark.usefixtures("repository")
def test_a_missing_jar_is_downloaded_and_reported(tmp_path: Path, jar: Jar) -> None:
    told: list[tuple[int, int]] = []
    (path,) = fetch([jar], tmp_path / "cache", lambda done, total: told.append((done, total)))
    assert path.read_bytes() == BYTES
    assert told == [(0, 1), (1, 1)]


def test_a_cached_jar_needs_no_network_and_no_progress(tmp_path: Path, jar: Jar, repository: Path) -> None:
    fetch([jar], tmp_path / "cache")
    (repository / jar.path).unlink()
    told: list[int] = []
    assert fetch([jar], tmp_path / "cache", lambda done, _total: told.append(done))[0].read_bytes() == BYTES
    assert told == []


def test_other_bytes_than_the_pinned_ones_are_refused_and_leave_nothing(tmp_path: Path, jar: Jar, repository: Path) -> None:
    (repository / jar.path).write_bytes(b"tampered")
    with pytest.raises(JarUnavailableError, match=r"thing 1.2: its sha256 is"):
        fetch([jar], tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_unreachable_repository_says_what_to_do(tmp_path: Path, jar: Jar, repository: Path) -> None:
    (repository / jar.path).unlink()
    with pytest.raises(JarUnavailableError, match="set DARKROOM_MAVEN_REPOSITORY"):
        fetch([jar], tmp_path / "cache")


def test_a_failed_download_is_tried_again(tmp_path: Path, jar: Jar, monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    download, failures = jars._download_once, iter([OSError("connection reset"), OSError("again")])

    def flaky(url: str, jar: Jar, target: Path) -> None:
        for failure in failures:
            raise failure
        download(url, jar, target)

    monkeypatch.setattr(jars, "_download_once", flaky)
    assert fetch([jar], tmp_path / "cache")[0].read_bytes() == BYTES
    assert repository.exists()


@pytest.mark.usefixtures("repository")
def test_many_at_once_leave_one_whole_file(tmp_path: Path, jar: Jar) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: fetch([jar], tmp_path / "cache")[0], range(16)))
    assert list((tmp_path / "cache").iterdir()) == list(paths)
    assert paths.pop().read_bytes() == BYTES
