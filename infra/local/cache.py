"""Where downloaded and derived files live: one folder per user, safe to delete at any time."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return Darkroom's cache folder, made if need be (`$XDG_CACHE_HOME` or `~/.cache`)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "darkroom"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
