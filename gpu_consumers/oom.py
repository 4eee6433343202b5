"""Whether the kernel killed for want of memory."""

from __future__ import annotations

from pathlib import Path

VMSTAT = Path("/proc/vmstat")


def oom_kills(file: Path = VMSTAT) -> int:
    """How many processes of this machine, since it started; 0 where that is not told, as on anything but Linux."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
