"""The list of error codes is closed: what the source can put into a result is on it, and on the contract's page."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from contracts.errors import ERROR_CODES, MEANINGS
from contracts.events import JobError
from engines import EngineError

ROOT = Path(__file__).parents[3]
FOLDERS = ("contracts", "darkroom", "engines", "gpu_consumers", "infra", "streams")
PLACES = {"Rejected": 0, "_failed": 1}
"""Functions that take a code as a positional argument, and which."""


def codes_in(source: str) -> set[str]:
    """Every text that stands where a code goes. mypy does the same for what is not a plain text, by `ErrorCode`."""
    return {text for node in ast.walk(ast.parse(source)) for one in _codes(node) for text in _texts(one)}


def _codes(node: ast.AST) -> Iterator[ast.AST | None]:
    if isinstance(node, ast.Call):
        yield from (one.value for one in node.keywords if one.arg == "code")
        place = PLACES.get(ast.unparse(node.func))
        yield from node.args[place : place + 1] if place is not None else ()
    elif isinstance(node, ast.Assign) and "code" in map(ast.unparse, node.targets):
        yield node.value
    elif isinstance(node, ast.AnnAssign):
        named, kind = ast.unparse(node.target), ast.unparse(node.annotation)
        yield node.value if named == "code" or kind == "ErrorCode" else None
    elif isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) == "ErrorCode":
        yield from (one.value for one in ast.walk(node) if isinstance(one, ast.Return))


def _texts(node: ast.AST | None) -> Iterator[str]:
    """`"a"`, and `"a" if … else "b"`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from [*_texts(node.body), *_texts(node.orelse)]


def test_every_code_in_the_source_is_on_the_list() -> None:
    found = {path: codes_in(path.read_text()) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    assert {str(path): odd for path, codes in found.items() if (odd := codes - ERROR_CODES)} == {}
    used = set().union(*found.values())
    assert len(used) > 10, "the search finds nothing"
    assert used >= ERROR_CODES - {"busy"}, "on the list, and nobody says it"


@pytest.mark.parametrize(
    "planted",
    [
        "JobError(code='odd', message='')",
        "class Odd(EngineError):\n    code = 'odd'",
        "class Odd(EngineError):\n    code: ClassVar[Code] = 'odd'",
        "ODD: ErrorCode = 'odd'",
        "raise Rejected('odd', 'id', 'is odd')",
        "_failed(place, 'odd', '', retryable=True)",
        "def cause(self) -> ErrorCode:\n    return 'out_of_memory' if self.kernel else 'odd'",
    ],
)
def test_a_planted_code_is_found(planted: str) -> None:
    assert "odd" in codes_in(planted)


def test_every_code_has_a_meaning_and_stands_in_the_contract() -> None:
    assert set(MEANINGS) == ERROR_CODES
    page = (ROOT / "docs/contract.md").read_text()
    assert [code for code in ERROR_CODES if f"| `{code}` |" not in page] == []


def test_engines_say_whether_to_try_again_as_the_list_does() -> None:
    kinds: list[type[EngineError]] = [EngineError]
    for kind in kinds:  # it grows
        kinds += kind.__subclasses__()
        said = MEANINGS[kind.code].retryable
        assert said == "it depends" or (said == "yes") is kind.retryable, kind
    assert len(kinds) > 5


def test_a_reader_takes_a_code_that_came_after_it() -> None:
    assert msgspec.json.decode(b'{"code":"of next year","message":""}', type=JobError).code not in ERROR_CODES
