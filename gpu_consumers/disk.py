"""The few things the spool does with a file system, each one step of a sequence that a crash may cut anywhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


class LocalDisk:
    """Implements gpu_consumers.spool.Disk."""

    def write(self, path: Path, pieces: Sequence[bytes]) -> None:
        # Flushed through the descriptor it was written by: another one may not hear of a write that failed later.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for piece in pieces:
                left = memoryview(piece)
                while left:
                    left = left[os.write(fd, left) :]
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def sync_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def names(self, folder: Path) -> list[str]:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names are all that is wanted

    def read(self, path: Path) -> bytes:
        return path.read_bytes()
