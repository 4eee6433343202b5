"""Errors on stderr without their words."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import TracebackType


def print_bare(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Kind and place of an exception on stderr; never its text, which may quote a prompt."""
    del error
    frames = traceback.extract_tb(trace)[-6:]
    where = " < ".join(f"{frame.name} {Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    sys.stderr.write(f"engine process: {kind.__name__} at {where}\n")
    sys.stderr.flush()
