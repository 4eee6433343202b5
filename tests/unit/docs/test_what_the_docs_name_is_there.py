"""Commands, settings, files and sections that the documents name: all of them exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from darkroom.cli.root import root
from infra.settings import Settings, to_env

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOW = [page for page in PAGES if page.parent.name != "decisions"]
"""Decision records tell of their own time."""
ROOMS = ("contracts", "darkroom", "streams", "gpu_consumers", "engines", "infra", "loadtest", "tests", "examples")
FILES = {file.name for room in ROOMS for file in (ROOT / room).rglob("*.py")}
CODE = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
INDENTED = re.compile(r"^ {4}((?:python|make|darkroom) .*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
PATH = re.compile(rf"(?:{'|'.join(ROOMS)})/[\w/.-]*")


def spoken(page: Path) -> Iterator[str]:
    """Command lines: in blocks after a prompt, indented, and in code spans."""
    text = page.read_text()
    for block in BLOCK.findall(text):
        yield from (line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))
    yield from INDENTED.findall(text)
    yield from CODE.findall(text)


def commands(start: str) -> Iterator[tuple[str, list[str]]]:
    """Page and words of every command that begins so, without comments and settings in front."""
    for page in NOW:
        for line in spoken(page):
            bare = re.sub(r"^(?:\S*/bin/|[A-Z_]+=\S+ )*", "", line)
            if bare.startswith(start):
                yield page.name, shlex.split(bare, comments=True)


def complaint(words: list[str]) -> str | None:
    """What the command line does not know of a `darkroom` command."""
    command: click.Command = root
    context = click.Context(root)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return words[0]
        command, words = found, words[1:]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    return next((word for word in words if word.startswith("--") and word not in known), None)


def test_every_command_and_option_is_known() -> None:
    found = list(commands("darkroom "))
    assert len(found) > 40
    assert [one for one in found if complaint(one[1][1:])] == []


def test_an_unknown_option_would_be_found() -> None:
    assert complaint(["submit", "a red circle", "--fast"]) == "--fast"
    assert complaint(["dead", "bury"]) == "bury"


def test_every_module_that_is_to_be_run_is_there_with_its_options() -> None:
    found = list(commands("python -m "))
    assert len(found) > 10
    for page, (_, _, module, *words) in found:
        spec = find_spec(module)
        assert spec, f"{page}: {module}"
        assert spec.origin, module
        origin = Path(spec.origin)
        sources = origin.parent.glob("*.py") if origin.name == "__init__.py" else [origin]
        text = "".join(source.read_text() for source in sources)
        unknown = [word for word in words if word.startswith("--") and word != "--help" and f'"{word}"' not in text]
        assert not unknown, f"{page}: {module} {unknown}"


def test_every_task_is_in_the_makefile() -> None:
    tasks = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for _, words in commands("make ") for word in words[1:] if "=" not in word}
    assert len(named) > 5
    assert named <= tasks


def test_every_setting_is_one() -> None:
    known = {*to_env(Settings()), "DARKROOM_CONFIG"}
    named = {name for page in NOW for name in re.findall(r"DARKROOM_[A-Z_]+[A-Z]", page.read_text())}
    groups = {name.rsplit("_", 1)[0] for name in known}
    assert len(named) > 20
    assert {name for name in named if name not in known and not any(one.startswith(name) for one in groups)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, section in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), target
        if section and file.suffix == ".md":
            assert section in set(map(anchor, re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE))), f"{target}#{section}"


@pytest.mark.parametrize("page", NOW, ids=lambda page: page.name)
def test_every_file_is_where_it_is_said_to_be(page: Path) -> None:
    spans = CODE.findall(page.read_text())
    paths = [path for span in spans for path in PATH.findall(span) if span.startswith(path)]
    assert [path for path in paths if not (ROOT / path.rstrip("/")).exists()] == []
    assert [span for span in spans if re.fullmatch(r"\w+\.py", span) and span not in FILES] == []


def anchor(heading: str) -> str:
    """As the hosts of Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
