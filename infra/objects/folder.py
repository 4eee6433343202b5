"""Objects as files in a folder.

An object appears under its name only when it is whole: it is written aside and renamed. By default it is then as durable
as Kafka's own log on the same machine: safe from the death of any process, not from a power cut. `fsync` adds that, at
the price of one disk flush an object.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable, StoredObject

TEMPORARY = ".part-"
"""How a file that is being written begins; no key has a segment that begins with a dot."""
LONGEST = 255
"""Bytes of one segment that file systems take."""


def safe_parts(key: str) -> list[str]:
    """The segments of a key. Raises NoSuchObject for whatever is no plain relative path: keys are never trusted."""
    parts = key.split("/")
    if not all(_plain(part) for part in parts):
        raise NoSuchObject("not the key of an object")
    return parts


def _plain(part: str) -> bool:
    if not part or part[0] == "." or "\\" in part or not part.isprintable():
        return False
    try:
        return len(part.encode()) <= LONGEST
    except UnicodeEncodeError:
        return False


class Folder:
    """Implements gpu_consumers.ports.ObjectStore and streams.ports.ObjectRemover."""

    def __init__(self, root: Path, *, fsync: bool = False) -> None:
        self.root = Path(os.path.abspath(root))
        self._base = str(self.root)
        self._url = "file://" + quote(self._base)
        self._fsync = fsync
        self._mark = f"{TEMPORARY}{os.getpid()}-{os.urandom(4).hex()}-"
        self._count = itertools.count()

    async def put(self, objects: Sequence[StoredObject]) -> list[str]:
        """Keep objects; one call of a thread for all of them."""
        return await asyncio.to_thread(self.put_now, objects)

    async def get(self, key: str) -> bytes:
        """The whole object. Raises NoSuchObject."""
        return await asyncio.to_thread(self.get_now, key)

    async def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; absent ones, and what is no key, are no error."""
        await asyncio.to_thread(self.remove_now, keys)

    def put_now(self, objects: Sequence[StoredObject]) -> list[str]:
        """`put`, blocking."""
        try:
            return [self._put(one) for one in objects]
        except OSError as error:
            raise ObjectsUnavailable(f"the folder of objects: {error.strerror}") from error

    def get_now(self, key: str) -> bytes:
        """`get`, blocking."""
        try:
            return self.path_of(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NoSuchObject("no object has this key") from None
        except OSError as error:
            raise ObjectsUnavailable(f"the folder of objects: {error.strerror}") from error

    def remove_now(self, keys: Sequence[str]) -> None:
        """`remove`, blocking."""
        for key in keys:
            try:
                self.path_of(key).unlink(missing_ok=True)
            except (NoSuchObject, NotADirectoryError, IsADirectoryError):
                continue
            except OSError as error:
                raise ObjectsUnavailable(f"the folder of objects: {error.strerror}") from error

    def list_now(self, prefix: str = "") -> Iterator[str]:
        """Keys that begin with this, sorted by folder and name."""
        for folder, folders, names in os.walk(self.root):
            folders.sort()
            for name in sorted(names):
                key = os.path.relpath(os.path.join(folder, name), self.root).replace(os.sep, "/")
                if key.startswith(prefix) and not name.startswith(TEMPORARY):
                    yield key

    def path_of(self, key: str) -> Path:
        """The file of an object. Raises NoSuchObject for what is no key."""
        return self.root.joinpath(*safe_parts(key))

    def _put(self, one: StoredObject) -> str:
        safe_parts(one.key)
        final = f"{self._base}/{one.key}"
        aside = f"{final[: final.rindex('/')]}/{self._mark}{next(self._count)}"
        try:
            self._write(aside, one.body)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(final), exist_ok=True)
            self._write(aside, one.body)
        os.replace(aside, final)
        if self._fsync:
            _flush(os.path.dirname(final))
        return f"{self._url}/{quote(one.key)}"

    def _write(self, path: str, body: bytes) -> None:
        # Bare descriptors: a file object costs as much again as the system calls do.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            left = memoryview(body)
            while left:
                left = left[os.write(fd, left) :]
            if self._fsync:
                os.fsync(fd)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        finally:
            os.close(fd)


def _flush(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_folder(url: str) -> Folder:
    """`file:///absolute/path`, or `file:///.relative` to the working directory; `?fsync=1` to survive a power cut.

    A path whose first segment begins with a dot is taken as relative: no one keeps objects in `/.something`.
    Raises ValueError.
    """
    parsed = urlsplit(url)
    if parsed.scheme != "file" or parsed.netloc not in ("", "localhost") or not parsed.path.strip("/"):
        raise ValueError("the URL of a folder is file:///path")
    path = unquote(parsed.path)
    relative = path.startswith("/.")
    return Folder(Path(path[1:] if relative else path), fsync=parse_qs(parsed.query).get("fsync") == ["1"])
