"""Words that must not get out, and every place where they could."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import psutil

from contracts.topics import Topics
from infra.settings import Settings

Places = Iterator[tuple[str, bytes]]
"""A place's name and what is to be read there."""


def spellings(word: str) -> set[bytes]:
    """The word as it is and as it would be found in base64, wherever it begins there, and in hexadecimal."""
    plain = word.encode()
    # Of each alignment only the characters that its neighbours do not change.
    shifted = {base64.b64encode(b"x" * n + plain)[8 if n else 0 :].rstrip(b"=")[:-2] for n in range(3)}
    return {plain, plain.hex().encode(), *shifted}


def leaks(places: Iterable[tuple[str, bytes]], words: Iterable[str]) -> list[str]:
    """Where any of the words can be read, as `place: start of the word`."""
    wanted = {word: spellings(word) for word in words}
    return sorted(
        {f"{place}: {word[:12]}" for place, text in places for word, forms in wanted.items() if any(f in text for f in forms)}
    )


def processes(pid: int) -> Places:
    """Arguments and names of a process and of all below it."""
    root = psutil.Process(pid)
    for one in (root, *root.children(recursive=True)):
        try:
            yield f"arguments of process {one.pid}", "\0".join(one.cmdline()).encode()
        except psutil.NoSuchProcess:
            continue


def pages(note: Mapping[str, Any]) -> Places:
    """What the processes serve over HTTP."""
    for one in note["processes"]:
        for path in ("/metrics", "/healthz", "/readyz"):
            if one.get("http_port"):
                with urllib.request.urlopen(f"http://127.0.0.1:{one['http_port']}{path}", timeout=30) as answer:
                    yield f"{one['name']}{path}", answer.read()


def files(folder: Path) -> Places:
    """Every file below a folder, but for the records that Kafka keeps: jobs lie there."""
    for file in sorted(folder.rglob("*")):
        inside = file.relative_to(folder)
        if file.is_file() and (inside.parts[0] != "kafka" or len(inside.parts) == 2):
            yield f"file {inside}", file.read_bytes()


HOLD_JOBS = ("jobs", "queue", "batches", "outcomes", "control")
"""Topics whose values hold what senders wrote, prompts included; `jobs.dead` holds it in `body`."""


def records(topics: Topics, found: Mapping[str, Iterable[Any]]) -> Places:
    """Keys, headers and values of records, by topic; what a job lies in is left out."""
    for topic, several in found.items():
        for one in several:
            yield f"headers on {topic}", b"\0".join(name.encode() + b"=" + value for name, value in one.headers)
            yield f"key on {topic}", one.key or b""
            if topic == topics.dead:
                letter = json.loads(one.value)
                letter.pop("body")
                yield f"value on {topic}", json.dumps(letter).encode()
            elif topic.split(".")[0] not in HOLD_JOBS:
                yield f"value on {topic}", one.value or b""


def secret_fields() -> list[str]:
    """Settings whose names say that they are secret."""
    words = ("password", "secret", "token")
    groups = msgspec.structs.fields(Settings)
    return [
        f"{group.name}.{one.name}" for group in groups for one in msgspec.structs.fields(group.type)
        if one.type is str and any(word in one.name for word in words) and not one.name.endswith("file")
    ]  # fmt: skip
