"""Log files of the parts: bounded."""

from __future__ import annotations

import shutil
from pathlib import Path

LARGEST = 16 << 20
"""Bytes of a log before it is set aside as `<name>.log.1`."""


def cap(log: Path) -> None:
    """Set a log aside if it is large. Its writer appends to the same open file, so the file is emptied, not renamed."""
    if not log.exists() or log.stat().st_size < LARGEST:
        return
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    with log.open("r+b") as file:
        file.truncate(0)
