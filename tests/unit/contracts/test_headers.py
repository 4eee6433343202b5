"""What is passed on of the headers a record came with."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.headers import trace_of

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_is_passed_on() -> None:
    assert trace_of([("x", b"y"), ("traceparent", TRACE)]) == TRACE


@pytest.mark.parametrize("value", [b"", b"a secret prompt", TRACE * 20_000, TRACE + b"\n", b"\xff" * 55, TRACE.upper(), None])
def test_what_is_no_trace_is_not(value: Any) -> None:
    """It would stand in the headers of every event about the job; a large one would make them too large for their topics."""
    assert trace_of([("traceparent", value)]) is None


def test_no_headers_are_no_trace() -> None:
    assert trace_of(None) is None
