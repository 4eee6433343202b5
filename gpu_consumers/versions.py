"""What a run ran on, for the dead letter of a job that failed here."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from engines import registry


@cache
def versions_of(engine: str) -> dict[str, str]:
    """Engine, Python, Darkroom and the libraries that the engine computes with."""
    entry = registry.ENGINES.get(engine)
    libraries = ("darkroom", *(entry.libraries if entry else ()))
    found = {name: _version(name) for name in libraries}
    return {"engine": engine, "python": platform.python_version(), **{name: one for name, one in found.items() if one}}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
