"""The reference page of the contract, from the events' own annotations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import msgspec
from msgspec import Struct, inspect

from contracts.errors import MEANINGS

INTRO = """# The contract

Generated from `contracts/events.py` by `make schema`; the same in machine form: `contracts/schema/`
(JSON Schema for each topic, and `asyncapi.json`).

Values are JSON in UTF-8, keys are job ids. Times (`at`, `…_at`) are seconds since the Unix epoch, durations (`…_s`) are
seconds. Records that Darkroom writes carry CloudEvents headers (`ce_type`, `ce_source`, `ce_specversion`) and pass on
the `traceparent` of the job. Readers must use isolation level `read_committed` and ignore fields they do not know;
events sent to Darkroom must not have fields that are not listed here.

The states of a job on `status`: accepted, queued, running (with step and steps), retrying, degraded, and then one of
succeeded, failed, cancelled, expired. An event that cannot be accepted is `rejected`. The same id with the same body is
the same job: nothing new runs and its state is told again (`repeated`). The same id with another body is a `conflict`,
told on `status` and never on `results`. After a terminal state nothing that follows on `status` counts.
"""

CODES = """All there are. `retryable` in the error itself says whether the same job sent again may succeed; where the table has
"it depends", only that does. Treat a code that you do not know like `internal`: it came later than your copy of this page."""


def reference_page(topics: Iterable[tuple[str, type[Struct], str]], nested: Sequence[type[Struct]]) -> str:
    """The page in Markdown: a table per topic, then one per struct that those are made of."""
    done: list[type[Any]] = []
    parts = [INTRO]
    listed = list(topics)
    for name, kind, text in listed:
        parts += [f"\n## `{name}`: {kind.__name__}\n", text + "\n", _table(kind)]
        done.append(kind)
    inner = [one for _, kind, _ in listed for one in _structs_in(kind) if one not in done]
    for kind in dict.fromkeys([*nested, *inner]):
        parts += [f"\n## {kind.__name__}\n", _doc(kind) + "\n", _table(kind)]
    parts += ["\n## Error codes\n", CODES + "\n", _codes()]
    return "\n".join(parts) + "\n"


def _codes() -> str:
    rows = ["| code | retryable | meaning |", "|---|---|---|"]
    rows += [f"| `{code}` | {said.retryable} | {said.text} |" for code, said in MEANINGS.items()]
    return "\n".join(rows)


def _doc(kind: type[Struct]) -> str:
    return re.sub(r"\s+", " ", kind.__doc__ or "").strip()


def _table(kind: type[Struct]) -> str:
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for one in msgspec.structs.fields(kind):
        info = inspect.type_info(one.type)
        rows.append(f"| `{one.encode_name}` | {type_text(info)} | {_default(one)} | {_meaning(one.type)} |")
    return "\n".join(rows)


def _default(one: msgspec.structs.FieldInfo) -> str:
    if one.required:
        return "required"
    value = one.default if one.default is not msgspec.NODEFAULT else one.default_factory()
    return "" if value in (None, [], {}) else f"`{msgspec.json.encode(value).decode()}`"


def _meaning(kind: Any) -> str:
    metas = [m for m in getattr(kind, "__metadata__", ()) if isinstance(m, msgspec.Meta)]
    texts = [m.description for m in reversed(metas) if m.description]
    return " ".join(texts)


def type_text(info: inspect.Type) -> str:
    """A type in words."""
    match info:
        case inspect.Metadata(type=inner):
            return type_text(inner)
        case inspect.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case inspect.UnionType(types=types):
            return " or ".join(type_text(one) for one in types if not isinstance(one, inspect.NoneType))
        case inspect.StructType(cls=cls):
            return f"[{cls.__name__}](#{cls.__name__.lower()})"
    return _plain_type(info)


def _plain_type(info: inspect.Type) -> str:
    match info:
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"list of {type_text(item)}"
        case inspect.DictType(value_type=value):
            return f"object of {type_text(value)}"
    names = {"StrType": "string", "IntType": "integer", "FloatType": "number", "BoolType": "true or false"}
    return names.get(type(info).__name__, type(info).__name__)


def _structs_in(kind: type[Struct]) -> list[type[Struct]]:
    found: list[type[Struct]] = []
    for one in msgspec.structs.fields(kind):
        stack = [one.type]
        while stack:
            current = stack.pop()
            stack += get_args(current)
            if isinstance(current, type) and issubclass(current, Struct):
                found += [current, *_structs_in(current)]
    return found
