"""A setting that names no store, or one whose library is not installed, is told by its name and without its value."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.catalog import open_catalog
from infra.jobstore import open_jobs
from infra.objects.connect import open_objects
from infra.settings import BadSetting, Cache, Cassandra, Models

SECRET = "sesame"  # noqa: S105 - what somebody may have put into a URL

JOBS = ["", "jobs.db", "sqlite://", "postgres://sesame@host/db", "cassandra://sesame@host/ks", "cassandra://host", "sqlite:///"]
OBJECTS = ["", "gs://sesame/x", "s3://key:sesame@bucket", "s3://[sesame/x", "s3://b", "file://", "s3://bucket/x?sesame=1"]


def told(opening: pytest.ExceptionInfo[BadSetting]) -> str:
    text = str(opening.value)
    assert SECRET not in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("url", JOBS)
def test_a_url_of_no_job_store_is_told_by_the_settings_name(url: str) -> None:
    with pytest.raises(BadSetting) as opening:
        open_jobs(url)
    assert told(opening).startswith("store.jobs: ")


@pytest.mark.parametrize("url", OBJECTS)
def test_a_url_of_no_object_store_is_told_by_the_settings_name(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting) as opening:
        open_objects(url)
    assert told(opening).startswith("store.objects: ")
    if url:  # none: there is no second store
        with pytest.raises(BadSetting) as opening:
            open_objects(tmp_path.as_uri(), fallback=url)
        assert told(opening).startswith("store.fallback: ")


@pytest.mark.parametrize("url", ["redis://:x/0", "redis://host:port/0", "redis://host/zero", "redis://[x/0"])
def test_a_url_of_no_cache_is_told_by_the_settings_name(url: str) -> None:
    pytest.importorskip("redis", reason="needs the extra: redis")
    with pytest.raises(BadSetting) as opening:
        open_jobs("memory:", cache=Cache(url=url))
    assert told(opening).startswith("cache.url: ")


@pytest.mark.parametrize(
    ("library", "ours", "setting", "extra", "opens"),
    [
        ("cassandra", "infra.jobstore.cassandra", "store.jobs", "cassandra", lambda: open_jobs("cassandra://host/ks")),
        ("boto3", "infra.objects.s3_client", "store.objects", "s3", lambda: open_objects("s3://bucket/x")),
        ("redis", "infra.cache.", "cache.url", "redis", lambda: open_jobs("memory:", cache=Cache(url="redis://host"))),
    ],
)
def test_a_store_whose_library_is_missing_says_what_to_install(
    library: str, ours: str, setting: str, extra: str, opens: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(ours) or name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BadSetting) as opening:
        opens()
    assert told(opening).startswith(f"{setting}: ")
    assert f"pip install 'darkroom[{extra}]'" in told(opening)


def test_a_certificate_of_cassandra_that_is_not_there_is_told_by_the_settings_name(tmp_path: Path) -> None:
    pytest.importorskip("cassandra", reason="needs the extra: cassandra")
    with pytest.raises(BadSetting) as opening:
        open_jobs("cassandra://host/ks", Cassandra(ca_file=str(tmp_path / SECRET)))
    assert told(opening) == "cassandra.ca_file: No such file or directory"


def test_a_certificate_of_ours_that_nothing_would_show_is_told(tmp_path: Path) -> None:
    pytest.importorskip("cassandra", reason="needs the extra: cassandra")
    with pytest.raises(BadSetting, match=r"cassandra\.ca_file"):
        open_jobs("cassandra://host/ks", Cassandra(cert_file=str(tmp_path / SECRET)))


@pytest.mark.parametrize("text", [None, "[[models", "defaults = 3"])
def test_a_catalogue_that_cannot_be_read_is_told_by_the_settings_name(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BadSetting) as opening:
        open_catalog(Models(catalog=str(file)))
    assert told(opening).startswith("models.catalog: ")
    assert "models.toml" in told(opening)
