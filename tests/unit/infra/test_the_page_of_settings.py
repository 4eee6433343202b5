"""docs/settings.md says what the code does, all of it, and no secret."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Struct

from infra.settings import Access, Settings, to_env
from infra.settings_page import files, meanings, settings_page


def test_the_page_is_up_to_date() -> None:
    assert [path.name for path, text in files().items() if path.read_text() != text] == [], "run `make schema`"


def test_every_setting_is_there_by_its_variable() -> None:
    page = settings_page()
    assert [name for name in to_env(Settings()) if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("group", msgspec.structs.fields(Settings), ids=lambda one: one.name)
def test_every_setting_has_a_meaning(group: msgspec.structs.FieldInfo) -> None:
    said = meanings(group.type)
    assert [one.name for one in msgspec.structs.fields(group.type) if not said.get(one.name)] == []


class Careless(Access, frozen=True, kw_only=True):
    """A server with a password in its code."""

    password: str = "hunter2"  # noqa: S105 - planted
    seconds_s: float = 1.0


class Planted(Struct, frozen=True, kw_only=True):
    careless: Careless = Careless()


def test_no_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in to_env(Settings()):
        monkeypatch.setenv(name, "hunter2")
    page = settings_page(Planted) + settings_page()
    assert "| `seconds_s` | `DARKROOM_CARELESS_SECONDS_S` | number, seconds | `1.0` |" in page
    assert "hunter2" not in page


def test_no_path_of_the_machine_is_shown() -> None:
    page = settings_page()
    assert '`"infra/models.toml"`' in page
    assert str(files().popitem()[0].parent) not in page


def test_a_setting_without_a_meaning_is_seen() -> None:
    assert "seconds_s" not in meanings(Careless)
    assert meanings(Careless)["ca_file"], "inherited"
