"""Log files of the parts: bounded, and quoted when a part fails."""

from __future__ import annotations

import shutil
from pathlib import Path

LARGEST = 16 << 20
"""Bytes of a log before it is set aside as `<name>.log.1`."""

TAIL_BYTES = 16_384


def cap(log: Path) -> None:
    """Set a log aside if it is large. Its writer appends to the same open file, so the file is emptied, not renamed."""
    if not log.exists() or log.stat().st_size < LARGEST:
        return
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    with log.open("r+b") as file:
        file.truncate(0)


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:]) or "(it is empty)"
    except OSError:
        return "(there is none)"
