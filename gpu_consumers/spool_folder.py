"""A spool folder for each worker process, and what workers that are gone left in theirs.

Each process has a folder of its own under `<spool>/<topic>`, locked as long as it lives. Whoever starts takes over the
folders that nobody has locked: of a worker that was killed, or of one that nobody started again.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger(__name__)

SUFFIX = ".worker"
GATE = ".gate"
"""Locked while somebody makes a folder or takes over another's, so that none is taken that is just being made."""


class SpoolFolder:
    """A folder that is ours until it is closed."""

    def __init__(self, root: Path, name: str) -> None:
        """Lock an abandoned folder, or make one with this name, and move into it what lies in others. Raises OSError.

        None is made if there is one: on a full disk that would fail, and what fills it could not be taken to the store.
        """
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _gate(root):
            abandoned = [(one, lock) for one in sorted(root.glob(f"*{SUFFIX}")) if (lock := _lock(one)) is not None]
            self.path, self._lock = abandoned.pop(0) if abandoned else _made(root / f"{name}{SUFFIX}")
            for other, lock in abandoned:
                self._take_over(other)
                os.close(lock)

    def close(self) -> None:
        """Unlock it; it goes if it is empty."""
        with _gate(self.path.parent), suppress(OSError):
            self.path.rmdir()
        os.close(self._lock)

    def _take_over(self, other: Path) -> None:
        try:
            for one in sorted(other.iterdir()):
                one.rename(self.path / one.name)
            other.rmdir()
        except OSError as error:
            log.warning("a spool cannot be taken over: %s", error.strerror, extra={"folder": other.name})


def _made(folder: Path) -> tuple[Path, int]:
    folder.mkdir(mode=0o700)
    lock = _lock(folder)
    assert lock is not None, "nobody else knows of it"
    return folder, lock


@contextmanager
def _gate(root: Path) -> Iterator[None]:
    fd = os.open(root / GATE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _lock(folder: Path) -> int | None:
    """The descriptor that holds the lock; None if somebody else has it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd
