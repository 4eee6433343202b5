"""Good events, spoilt. The same seed spoils them in the same way."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from contracts.records import Record

TASKS = ("text-to-image", "image-to-image", "text-to-video", "image-to-video")
LARGE = 1_200_000
"""Bytes: above what an event may have, below what Kafka takes."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**300, 1e308, -0.0, 1e-320, "", " ", "\0", "\u202e", "é",
    "x" * 129, "x" * 5000, "../../etc/passwd", "a/../b", ".", "..", "%2e%2e", "http://127.0.0.1/", "https://user@host/", "file:///x",
    "http://[::1", "://", [], {}, [[]], {"": {}}, ["prompt"], {"prompt": "x"}, "NaN", "null", "\ufeff", "a\nb", "${jndi:x}",
    "'; drop table jobs; --", "{{7*7}}", "noop", "noop@1", "paid", "png",
)  # fmt: skip
"""What a field may hold instead."""

TEXTS: tuple[bytes, ...] = (
    b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"{", b"}", b"[", b"]", b'"', b"\\", b"\\u0000", b"\\ud800", b"\\uZ",
    b",", b":", b"NaN", b"Infinity", b"-", b"1e999", b"9" * 400, b"null", b"true", b"//", b"/*", b"'", b"\r\n", b"\x1b[2J",
    b'"id":"x",', b'{"a":' * 50, b"[" * 500,
)  # fmt: skip
"""What may stand in the bytes of a record."""


class Fuzz:
    """An endless row of records for `jobs`."""

    def __init__(self, seed: int, topic: str = "jobs") -> None:
        self._draw = random.Random(seed)
        self._seed = seed
        self._topic = topic
        self._ids: list[str] = []

    def records(self, count: int) -> Iterator[Record]:
        """The next ones."""
        for _ in range(count):
            yield Record(self._topic, self._key(), self._value(), self._headers())

    def _key(self) -> bytes | None:
        return self._draw.choice([None, b"", b"\xff", self._draw.randbytes(8), str(len(self._ids)).encode()])

    def _headers(self) -> list[tuple[str, bytes]]:
        draw = self._draw
        if draw.random() < 0.8:
            return []
        whole = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        worth = draw.choice([whole, b"", b"\xff\xfe", whole * 50, whole[:-1] + b"\n", draw.randbytes(55)])
        return [(draw.choice(["traceparent", "ce_type", "", "x"]), worth)]

    def _value(self) -> bytes | None:
        draw = self._draw
        if draw.random() < 0.01:
            return draw.choice([None, b"", b"null", b"[]", b'""', b"0", draw.randbytes(draw.randrange(300))])
        event = self._event()
        for _ in range(draw.choice([0, 0, 0, 1, 1, 2])):
            draw.choice(SPOIL_EVENT)(event, draw)
        body = json.dumps(event, ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")
        for _ in range(draw.choice([0, 0, 0, 0, 1, 4])):
            body = draw.choice(SPOIL_BYTES)(body, draw)
        return body + b" " * LARGE if draw.random() < 0.0003 else body

    def _event(self) -> dict[str, Any]:
        draw = self._draw
        again = self._ids and draw.random() < 0.05
        name = draw.choice(self._ids) if again else f"fuzz-{self._seed}-{len(self._ids)}"
        self._ids.append(name)
        inputs = {"prompt": "a red circle", "width": 64, "steps": 2, "seed": draw.choice([1, 2])}
        task = draw.choice(TASKS)
        if task.startswith("image"):
            inputs["image"] = draw.choice(["acme/a.png", "https://127.0.0.1/a.png"])
        return {"id": name, "tenant": draw.choice(["acme", "other"]), "task": task, "model": "noop", "inputs": inputs}


def _replace(event: dict[str, Any], draw: random.Random) -> None:
    part = _part(event, draw)
    part[draw.choice(list(part) or ["id"])] = draw.choice(VALUES)


def _add(event: dict[str, Any], draw: random.Random) -> None:
    names = [
        "id",
        "tenant",
        "priority",
        "ttl_s",
        "degrade",
        "callback",
        "metadata",
        "count",
        "format",
        "fps",
        "frames",
        "x",
        "",
        "\ud83d",
    ]
    _part(event, draw)[draw.choice(names)] = draw.choice(VALUES)


def _remove(event: dict[str, Any], draw: random.Random) -> None:
    part = _part(event, draw)
    if part:
        del part[draw.choice(list(part))]


def _nest(event: dict[str, Any], draw: random.Random) -> None:
    part = _part(event, draw)
    name = draw.choice(list(part) or ["x"])
    for _ in range(draw.choice([1, 10, 200])):
        part[name] = [part.get(name)]


def _rename(event: dict[str, Any], draw: random.Random) -> None:
    part = _part(event, draw)
    if part:
        name = draw.choice(list(part))
        part[draw.choice([name.upper(), f" {name}", f"{name}\0", name[::-1]])] = part.pop(name)


def _part(event: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    inputs = event.get("inputs")
    return inputs if isinstance(inputs, dict) and draw.random() < 0.5 else event


def _flip(body: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(max(1, len(body)))
    return body[:at] + bytes([draw.randrange(256)]) + body[at + 1 :]


def _insert(body: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(body) + 1)
    return body[:at] + draw.choice(TEXTS) + body[at:]


def _cut(body: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(body) + 1)
    return body[:start] + body[start + draw.randrange(1, 30) :]


def _end(body: bytes, draw: random.Random) -> bytes:
    return body[: draw.randrange(len(body) + 1)]


def _twice(body: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(body) + 1)
    return body[: start + draw.randrange(60)] + body[start:]


def _code(body: bytes, draw: random.Random) -> bytes:
    return body.decode("utf-8", "replace").encode(draw.choice(["utf-16", "utf-32", "utf-8-sig", "utf-7"]), "replace")


SPOIL_EVENT: tuple[Callable[[dict[str, Any], random.Random], None], ...] = (_replace, _add, _remove, _nest, _rename)
SPOIL_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flip, _insert, _cut, _end, _twice, _code)
