"""Objects as files in a folder.

An object appears under its name only when it is whole. What is stored in one go is written into a folder aside, and that
is renamed: one rename for hundreds of small files, each of which would cost as much as its creation otherwise.

By default an object is then as durable as Kafka's own log on the same machine: safe from the death of any process, not
from a power cut. `fsync` adds that, at the price of one disk flush an object.
"""

# Hundreds of files in one go: a Path costs as much as the system call it stands for.
# ruff: noqa: PTH100, PTH103, PTH104, PTH105, PTH106, PTH118, PTH120, PTH208

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable, StoredObject
from infra.objects.keys import digest_of, safe_parts
from infra.settings import BadSetting

ASIDE = ".part-"
"""How a folder that is being written begins; no segment of a key begins with a dot."""


class Folder:
    """Implements gpu_consumers.ports.ObjectStore, streams.ports.ObjectRemover and infra.objects.store.Objects."""

    def __init__(self, root: Path, *, fsync: bool = False) -> None:
        self.root = Path(os.path.abspath(root))
        self._base = str(self.root)
        self._url = "file://" + quote(self._base)
        self._fsync = fsync
        self._mark = f"{self._base}/{ASIDE}{os.getpid()}-{os.urandom(4).hex()}-"
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
            for folder, several in _by_folder(objects).items():
                self._put(folder, several)
        except OSError as error:
            raise ObjectsUnavailable(f"the folder of objects: {error.strerror}") from error
        return [self.url_of(one.key) for one in objects]

    def url_of(self, key: str) -> str:
        return f"{self._url}/{quote(key)}"

    def link(self, key: str, url: str, ttl_s: int) -> str:  # noqa: ARG002 - a file's address neither opens it nor expires
        """The file's own address: who may read it is the file system's business."""
        safe_parts(key)
        if url != self.url_of(key):
            raise NoSuchObject("the object is not in this store")
        return url

    async def tidy(self) -> None:
        await asyncio.to_thread(self.sweep_now)

    def close(self) -> None:
        """Nothing is held."""

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
            folders[:] = sorted(one for one in folders if not one.startswith(ASIDE))
            for name in sorted(names):
                key = os.path.relpath(os.path.join(folder, name), self.root).replace(os.sep, "/")
                if key.startswith(prefix):
                    yield key

    def path_of(self, key: str) -> Path:
        """The file of an object. Raises NoSuchObject for what is no key."""
        return self.root.joinpath(*safe_parts(key))

    def sweep_now(self, older_s: float = 3600.0) -> None:
        """Remove what processes left that died while they were writing (seconds since then)."""
        before = time.time() - older_s
        for left in self.root.glob(f"{ASIDE}*"):
            with contextlib.suppress(OSError):
                if left.stat().st_mtime < before:
                    shutil.rmtree(left)

    def _put(self, folder: str, objects: Sequence[StoredObject]) -> None:
        aside, final = f"{self._mark}{next(self._count)}", f"{self._base}/{folder}".rstrip("/")
        os.makedirs(aside)
        try:
            for one in objects:
                self._write(f"{aside}/{one.key.rpartition('/')[2]}", one.body)
            self._publish(aside, final)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise

    def _write(self, path: str, body: bytes) -> None:
        # Bare descriptors: a file object costs as much again as the system calls do.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            left = memoryview(body)
            while left:
                left = left[os.write(fd, left) :]
            if self._fsync:
                os.fsync(fd)
        finally:
            os.close(fd)

    def _publish(self, aside: str, final: str) -> None:
        if self._fsync:
            _flush(aside)
        try:
            _rename(aside, final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            for name in os.listdir(aside):
                os.replace(f"{aside}/{name}", f"{final}/{name}")
            os.rmdir(aside)
            if self._fsync:
                _flush(final)
        if self._fsync:
            _flush(os.path.dirname(final))


def _by_folder(objects: Sequence[StoredObject]) -> dict[str, list[StoredObject]]:
    grouped: dict[str, list[StoredObject]] = {}
    for one in objects:
        safe_parts(one.key)
        if one.sha256:
            digest_of(one)
        grouped.setdefault(one.key.rpartition("/")[0], []).append(one)
    return grouped


def _rename(folder: str, final: str) -> None:
    try:
        os.rename(folder, final)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.rename(folder, final)


def _flush(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_folder(url: str) -> Folder:
    """`file:///absolute/path`, or `file:///.relative` to the working directory; `?fsync=1` to survive a power cut.

    A path whose first segment begins with a dot is taken as relative: no one keeps objects in `/.something`.
    Raises BadSetting.
    """
    parsed = urlsplit(url)
    if parsed.scheme != "file" or parsed.netloc not in ("", "localhost") or not parsed.path.strip("/"):
        raise BadSetting("the URL of a folder is file:///path")
    path = unquote(parsed.path)
    relative = path.startswith("/.")
    return Folder(Path(path[1:] if relative else path), fsync=parse_qs(parsed.query).get("fsync") == ["1"])
