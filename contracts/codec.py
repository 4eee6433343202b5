"""Bytes to events and back. What cannot be decoded says which field is at fault, in plain words."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
_encoder = msgspec.json.Encoder()
encode = _encoder.encode
"""Any event to its JSON bytes."""

_AT = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_NAMED = re.compile(r"(missing required|contains unknown) field `([^`]+)`")


class Invalid(ValueError):
    """Bytes that are no such event. `field` is the dotted path at fault, or what the record lacks as a whole."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Decoder(Generic[T]):
    """Decodes one kind of event."""

    def __init__(self, kind: type[T]) -> None:
        self._decode = msgspec.json.Decoder(kind).decode

    def __call__(self, body: bytes | None) -> T:
        """The event, or `Invalid`."""
        if body is None:
            raise Invalid("event", "the record has no value")
        try:
            return self._decode(body)
        except msgspec.ValidationError as error:
            raise at_fault(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _unreadable(body) from None


def at_fault(message: str) -> Invalid:
    """Field and reason from a message of msgspec, whose text is made to never hold the value itself."""
    where = _AT.search(message)
    path, reason = (where[1], message[: where.start()]) if where else ("", message)
    named = _NAMED.search(reason)
    if named:
        path = f"{path}.{named[2]}".lstrip(".")
        reason = "is required" if named[1].startswith("missing") else "is not a known field"
    return Invalid(path or "event", _plain(reason))


def _plain(reason: str) -> str:
    if reason.startswith("Invalid enum value"):
        return "is not one of the known values"
    if "matching regex" in reason:
        return "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -"
    return reason[:1].lower() + reason[1:]


def _unreadable(body: bytes) -> Invalid:
    loose = read_loosely(body)
    field = _odd_field(loose) if isinstance(loose, dict) else None
    if field is not None:
        return Invalid(*field)
    return Invalid("event", "is not JSON in UTF-8")


def read_loosely(body: bytes | None) -> Any:
    """What can be made of a bad record, to answer its sender: tolerates NaN and broken UTF-8. None if nothing can."""
    try:
        return json.loads((body or b"").decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _odd_field(value: Any, path: str = "") -> tuple[str, str] | None:
    """The first field that makes loosely read JSON unfit: a number that is none, or text that was not UTF-8."""
    if isinstance(value, float) and not math.isfinite(value):
        return path, "is not a finite number"
    if isinstance(value, str) and "\ufffd" in value:
        return path, "is not valid UTF-8"
    if not isinstance(value, (dict, list)):
        return None
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = (_odd_field(inner, f"{path}.{name}".lstrip(".")) for name, inner in items)
    return next((one for one in found if one is not None), None)
