"""CPU time of processes and what they started, from /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> tuple[int, float] | None:
    """Parent and CPU seconds (user and system) of a process; None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICK


def cpu_seconds(parts: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds so far of each named process with all its living descendants."""
    stats = {int(p.name): s for p in Path("/proc").iterdir() if p.name.isdigit() and (s := _stat(int(p.name)))}
    return {name: sum(stats[pid][1] for pid in _family(root, stats)) for name, root in parts.items() if root in stats}


def _family(root: int, stats: Mapping[int, tuple[int, float]]) -> list[int]:
    family = [root]
    for pid in family:
        family += [child for child, (parent, _) in stats.items() if parent == pid]
    return family
