"""Bytes of a record to a job or an order, and what can be told of a record that is neither."""

from __future__ import annotations

import base64
import re
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from contracts.codec import Decoder, Invalid, read_loosely
from contracts.events import Control, Inputs, Job
from contracts.topics import MAX_EVENT_BYTES
from streams.policy.rejected import Rejected

T = TypeVar("T")

MAX_ECHO = 16_384
"""Characters of a broken id that are told back: above every id somebody sends by mistake, far below a record's limit."""

_job = Decoder(Job)
_control = Decoder(Control)
_KNOWN = {name for kind in (Job, Control) for name in kind.__struct_fields__}
_KNOWN |= {f"inputs.{name}" for name in Inputs.__struct_fields__} | {"event"}
_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")


def read_job(body: bytes | None) -> Job:
    """The job that a record's value holds. Raises `Rejected`."""
    return _read(_job, body)


def read_control(body: bytes | None) -> Control:
    """The order that a record's value holds. Raises `Rejected`."""
    return _read(_control, body)


def _read(decode: Decoder[T], body: bytes | None) -> T:
    if body is not None and len(body) > MAX_EVENT_BYTES:
        raise Rejected("too_large", "event", f"{len(body)} bytes are more than {MAX_EVENT_BYTES}")
    try:
        return decode(body)
    except Invalid as error:
        field = _speakable(error.field)
        unnamed = field != error.field and error.reason == "is not a known field"
        raise Rejected("invalid", field, "has a field that is not known" if unnamed else error.reason) from None


def _speakable(path: str) -> str:
    """The path at fault, without names that the sender invented: such a name may be anything, a prompt included."""
    path = path.partition("[")[0]  # of an entry of the metadata
    parent, _, name = path.rpartition(".")
    if path in _KNOWN or (parent in ("", "inputs") and _PLAIN.match(name)):
        return path
    while parent and parent not in _KNOWN:
        parent = parent.rpartition(".")[0]
    return parent or "event"


class Sender(NamedTuple):
    """Whom to answer. An empty id: nobody can be."""

    id: str
    tenant: str


def sender_of(body: bytes | None) -> Sender:
    """Id and tenant of a record that was not taken, as far as they can be read."""
    if body is None or len(body) > 8 * MAX_EVENT_BYTES:
        return Sender("", "")
    loose = read_loosely(body)
    return Sender(_echo(loose, "id"), _echo(loose, "tenant")) if isinstance(loose, dict) else Sender("", "")


def _echo(loose: dict[str, Any], name: str) -> str:
    value = loose.get(name)
    if not isinstance(value, str):
        return ""
    # JSON may hold half a surrogate pair, which no UTF-8 encoder takes.
    return value[:MAX_ECHO].encode("utf-8", "replace").decode()


class Kept(NamedTuple):
    """A record's bytes in a form that JSON can hold."""

    body: str
    encoding: Literal["utf-8", "base64", "null"]


def keep(body: bytes | None) -> Kept:
    """The bytes for a dead letter, so that exactly they can be sent again."""
    if body is None:
        return Kept("", "null")
    try:
        # JSON escapes a control character as six, so large ones could outgrow every topic's limit as text.
        if len(body) <= MAX_EVENT_BYTES:
            return Kept(body.decode(), "utf-8")
    except UnicodeDecodeError:
        pass
    return Kept(base64.b64encode(body).decode(), "base64")


def unkeep(kept: Kept) -> bytes | None:
    """The bytes that were kept."""
    if kept.encoding == "null":
        return None
    return kept.body.encode() if kept.encoding == "utf-8" else base64.b64decode(kept.body)


def raw(body: bytes) -> msgspec.Raw:
    """Valid JSON as it came, to be put into another event without decoding it."""
    return msgspec.Raw(body)
