"""Kafka headers: CloudEvents attributes (binary mode, `ce_*`) and W3C trace context."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

Headers = Sequence[tuple[str, bytes]]

INVITED = ("darkroom-invited", b"1")
"""The first header of a job on its queue that was there before, and for which a place is kept."""

SOURCE = "darkroom-source"
"""The first header of a job in overflow: tier and offset of its record on the queue, as `tier@offset`; empty: moved on there."""

_TRACE = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")
"""As W3C Trace Context has it. Later versions may be longer; they are let go."""
_FIXED = (("ce_specversion", b"1.0"), ("content-type", b"application/json"))


def event_headers(kind: str, source: str, trace: bytes | None = None) -> list[tuple[str, bytes]]:
    """Headers of an event of ours, e.g. kind `result`: type `darkroom.result.v1`. Its id and time are the record's own."""
    headers = [*_FIXED, ("ce_type", f"darkroom.{kind}.v1".encode()), ("ce_source", f"/darkroom/{source}".encode())]
    return [*headers, ("traceparent", trace)] if trace else headers


def trace_of(headers: Iterable[tuple[str, bytes]] | None) -> bytes | None:
    """The `traceparent` that a record came with, to be passed on, if it is one: its sender may have put anything there."""
    return next((value for name, value in headers or () if name == "traceparent" and value and _TRACE.match(value)), None)
