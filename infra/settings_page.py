"""Writes docs/settings.md: every setting, from `infra/settings.py` itself.

`python -m infra.settings_page`; with `--check` it exits 1 if the page differs. Only defaults are shown, never what a
process was given.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from contracts.export import ROOT, write_or_check
from contracts.reference import type_text
from infra.settings import HERE, Settings

PAGE = ROOT / "docs/settings.md"
SECRETS = ("password",)
"""Of these no value is shown, not even a default."""

UNITS = {"_s": "seconds", "_bytes": "bytes", "_mb": "MiB", "_days": "days"}
"""By how a name ends; what has none is a number of things."""

INTRO = """# Settings

Generated from `infra/settings.py` by `make schema`.

A process reads its settings once, when it starts: first the TOML file that `DARKROOM_CONFIG` names, then the environment,
which wins. Each table is a group: `bootstrap_servers` under `[kafka]` in the file is `DARKROOM_KAFKA_BOOTSTRAP_SERVERS` in
the environment. Lists are written with commas in the environment. A setting that cannot be used ends the process with
status 78 and one line that names it. [How-to](how-to.md) says when to change which.
"""


def settings_page(settings: type[Struct] = Settings) -> str:
    """The page in Markdown: a table per group."""
    parts = [INTRO]
    for group in msgspec.structs.fields(settings):
        parts += [f"\n## `[{group.name}]`\n", _line(group.type.__doc__) + "\n", *_table(group.name, group.type)]
    return "\n".join(parts) + "\n"


def meanings(kind: type[Any]) -> dict[str, str]:
    """What stands under each field of a struct, its own or inherited."""
    found: dict[str, str] = {}
    for one in reversed([base for base in kind.__mro__ if issubclass(base, Struct) and base is not Struct]):
        (body,) = ast.parse(inspect.getsource(one)).body
        assert isinstance(body, ast.ClassDef)
        for field, text in pairwise(body.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    found[name] = _line(said)
    return found


def _table(group: str, kind: type[Any]) -> list[str]:
    said = meanings(kind)
    rows = ["| setting | environment | type | default | meaning |", "|---|---|---|---|---|"]
    for one in msgspec.structs.fields(kind):
        variable = f"DARKROOM_{group}_{one.name}".upper()
        kinds = ", ".join(filter(None, (type_text(msgspec.inspect.type_info(one.type)), _unit(one))))
        rows.append(f"| `{one.name}` | `{variable}` | {kinds} | {_default(one)} | {said.get(one.name, '')} |")
    return rows


def _unit(one: FieldInfo) -> str:
    return next((unit for end, unit in UNITS.items() if one.name.endswith(end) or f"_{one.name}" == end), "")


def _default(one: FieldInfo) -> str:
    value = "" if one.name in SECRETS else one.default
    text = msgspec.json.encode(value).decode().replace(f"{HERE.parent}/", "")
    return "" if value in ("", ()) else f"`{text}`"


def _line(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip().replace("|", "\\|")


def files() -> dict[Path, str]:
    """The page and what it should hold."""
    return {PAGE: settings_page()}


if __name__ == "__main__":
    sys.exit(write_or_check(files(), (__doc__ or "").split("\n", maxsplit=1)[0]))
