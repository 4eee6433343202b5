"""What all reports have in common: the machine, percentiles, and the two files that a report is."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import msgspec


def machine() -> str:
    """The machine in words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")
    return f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}, Linux {platform.release()}"


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """By nearest rank, of sorted values; None of nothing."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def write_report(report: msgspec.Struct, page: str, folder: Path, name: str) -> None:
    """`name.json` and `name.md` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    (folder / f"{name}.md").write_text(page)
