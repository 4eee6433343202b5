"""A server's jars: a pinned list, downloaded once into the user's cache and checked by hash.

A list instead of a resolver: resolving the same coordinates takes 40 s, this takes 3, and every byte is pinned.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.cache import cache_dir
from infra.local.errors import JarUnavailableError
from infra.local.maven import OVERRIDE, repository

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KAFKA_LIST = Path(__file__).with_name("kafka-4.4.0.jars")
THREADS = 8  # more brought nothing: the largest jar alone sets the time
PAUSES = (0.5, 1.0, 2.0)  # seconds before the second, third and fourth try
TIMEOUT = 30.0  # seconds without a byte


@dataclass(frozen=True, kw_only=True, slots=True)
class Jar:
    """One pinned jar."""

    group: str
    artifact: str
    version: str
    sha256: str  # lower-case hex
    classifier: str = ""  # one of several jars of a release, such as a platform's native library

    @property
    def path(self) -> str:
        """Return where a Maven repository keeps it, relative to its base."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self._stem}.jar"

    @property
    def file_name(self) -> str:
        """Return its name in the cache; the hash keeps two pins of one version apart."""
        return f"{self._stem}-{self.sha256[:8]}.jar"

    @property
    def _stem(self) -> str:
        return "-".join(filter(None, (self.artifact, self.version, self.classifier)))


def pinned(listing: Path = KAFKA_LIST) -> tuple[Jar, ...]:
    """Read a list of `group:artifact:version[:classifier] sha256` lines, in classpath order."""
    return tuple(_parse(line) for line in listing.read_text().splitlines() if line.strip())


def _parse(line: str) -> Jar:
    coordinates, sha256 = line.split()
    group, artifact, version, *classifier = coordinates.split(":")
    return Jar(group=group, artifact=artifact, version=version, sha256=sha256, classifier="".join(classifier))


def fetch(
    jars: Sequence[Jar], folder: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[Path, ...]:
    """Return the jars' paths in the given order, downloading those the cache lacks.

    `progress(done, total)` counts jars and is never called when all are there. Safe in two processes at once:
    a file appears under its name only whole and checked. Raises JarUnavailableError.
    """
    folder = folder or cache_dir() / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not (folder / jar.file_name).exists()]
    if missing:
        _download_all(missing, folder, progress or (lambda _done, _total: None))
    return tuple(folder / jar.file_name for jar in jars)


def _download_all(jars: Sequence[Jar], folder: Path, progress: Callable[[int, int], None]) -> None:
    base = repository()
    progress(0, len(jars))
    with ThreadPoolExecutor(THREADS, thread_name_prefix="jars") as pool:
        tasks = [pool.submit(_download, base, jar, folder) for jar in jars]
        try:
            for done, task in enumerate(as_completed(tasks), start=1):
                task.result()
                progress(done, len(jars))
        finally:
            pool.shutdown(cancel_futures=True)


def _download(base: str, jar: Jar, folder: Path) -> None:
    for pause in (*PAUSES, None):
        try:
            return _download_once(f"{base}/{jar.path}", jar, folder / jar.file_name)
        except (OSError, HTTPException, JarUnavailableError) as error:
            if pause is None:
                raise JarUnavailableError(_advice(jar, error)) from error
            time.sleep(pause)
    return None


def _advice(jar: Jar, error: Exception) -> str:
    return (
        f"Cannot download {jar.artifact} {jar.version}: {error}. "
        f"Check the network, or set {OVERRIDE} to a Maven repository that this machine reaches."
    )


def _download_once(url: str, jar: Jar, target: Path) -> None:
    if not url.startswith(("https://", "http://", "file://")):
        message = f"{url} is not a web address"
        raise JarUnavailableError(message)
    descriptor, part = tempfile.mkstemp(prefix=f".{jar.artifact}-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as out, urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - scheme checked
            shutil.copyfileobj(answer, out)
        _check(Path(part), jar)
        Path(part).replace(target)
    finally:
        Path(part).unlink(missing_ok=True)


def _check(part: Path, jar: Jar) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != jar.sha256:
        message = f"its sha256 is {found}, the pinned one is {jar.sha256}"
        raise JarUnavailableError(message)
