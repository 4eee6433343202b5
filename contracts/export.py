"""Writes what others read of the contract: JSON Schema, AsyncAPI and the reference page, all from `contracts/events.py`.

`python -m contracts.export` writes contracts/schema/ and docs/contract.md; with `--check` it exits 1 if they differ.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from contracts.events import Control, Dead, Inputs, Job, Result, Status
from contracts.reference import reference_page
from contracts.topics import Topics

ROOT = Path(__file__).resolve().parent.parent
DEAD = (
    "Find what could not be made a job of, or could not succeed. A record without a value is no letter: it says that "
    "the letter at the offset in its header `letter` was handled."
)
MESSAGES: tuple[tuple[str, type[Any], str], ...] = (
    ("jobs", Job, "Send a generation job."),
    ("control", Control, "Cancel a job."),
    ("status", Status, "Follow a job."),
    ("results", Result, "Read what became of a job, once per job (with isolation level read_committed)."),
    ("dead", Dead, DEAD),
)


def schema_of(kind: type[Any]) -> dict[str, Any]:
    """The JSON Schema of one event, with the structs it is made of under `$defs`."""
    (ref,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    top = ref["$ref"].rsplit("/", 1)[-1]
    body = components.pop(top)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}
    portable: dict[str, Any] = _portable(schema | ({"$defs": components} if components else {}))
    return portable


def _portable(node: Any) -> Any:
    r"""Patterns as every dialect reads them: Python's \Z is $ elsewhere."""
    if isinstance(node, Mapping):
        return {key: _portable(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_portable(one) for one in node]
    return node.replace(r"\Z", "$") if isinstance(node, str) else node


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3 document of the public topics."""
    topics = Topics()
    addresses = {name: getattr(topics, name) for name, _, _ in MESSAGES}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Darkroom",
            "version": "1",
            "description": "Image and video generation jobs on Kafka. Keys are job ids; values are JSON.",
        },
        "defaultContentType": "application/json",
        "channels": {
            name: {"address": addresses[name], "messages": {name: {"$ref": f"#/components/messages/{name}"}}}
            for name, _, _ in MESSAGES
        },
        "operations": {
            name: {
                "action": "receive" if name in ("jobs", "control") else "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": text,
            }
            for name, _, text in MESSAGES
        },
        "components": {"messages": {name: _message(name, kind) for name, kind, _ in MESSAGES}},
    }


def _message(name: str, kind: type[Any]) -> dict[str, Any]:
    schema = {"$ref": f"{name}.schema.json"}
    return {"name": kind.__name__, "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": schema}}


def files() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    made = {ROOT / f"contracts/schema/{name}.schema.json": schema_of(kind) for name, kind, _ in MESSAGES}
    made[ROOT / "contracts/schema/asyncapi.json"] = asyncapi()
    texts = {path: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for path, value in made.items()}
    tables = [(Topics().__getattribute__(name), kind, text) for name, kind, text in MESSAGES]
    texts[ROOT / "docs/contract.md"] = reference_page(tables, [Inputs])
    return texts


def write_or_check(texts: Mapping[Path, str], about: str) -> int:
    """Write the files, or with `--check` on the command line compare them. The exit status."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    if check:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: run `make schema`\n")
        return 1 if stale else 0
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(write_or_check(files(), (__doc__ or "").split("\n", maxsplit=1)[0]))
