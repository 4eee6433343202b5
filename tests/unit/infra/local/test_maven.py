from __future__ import annotations

from pathlib import Path

import pytest

from infra.local import maven

SETTINGS = """<settings xmlns="urn:x"><mirrors>
  <mirror><mirrorOf>other</mirrorOf><url>file:///not-this</url></mirror>
  <mirror><mirrorOf>{of}</mirrorOf><url>file:///mirror/</url></mirror>
</mirrors></settings>"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(maven.OVERRIDE, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (tmp_path / ".m2").mkdir()
    return tmp_path


def settings(home: Path, text: str) -> None:
    (home / ".m2/settings.xml").write_text(text)


@pytest.mark.parametrize("of", ["*", "central", "external:*", "snapshots, central"])
def test_the_users_mirror_stands_in_for_the_default(home: Path, of: str) -> None:
    settings(home, SETTINGS.format(of=of))
    assert maven.repository() == "file:///mirror"


@pytest.mark.parametrize("text", [SETTINGS.format(of="*,!central"), SETTINGS.format(of="snapshots"), "<settings", "<settings/>"])
def test_without_a_fitting_mirror_the_default_is_used(home: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(home, text)
    monkeypatch.setattr(maven, "default", lambda: "file:///default/")
    assert maven.repository() == "file:///default"


def test_the_environment_comes_before_the_mirror(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(home, SETTINGS.format(of="*"))
    monkeypatch.setenv(maven.OVERRIDE, "file:///mine")
    assert maven.repository() == "file:///mine"


def test_the_default_is_a_web_address() -> None:
    assert maven.default().startswith("https://")
