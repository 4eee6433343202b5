"""One process at a time per data folder, and no broker left over from one that was killed.

The lock is on an open file that the broker inherits: it stays taken while either the owner or its broker lives.
A note beside it tells who they are, so an owner's violent death is noticed and its broker ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from typing import TYPE_CHECKING

import psutil

from infra.local.errors import DataDirInUseError

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 20.0  # seconds an orphan gets to close its files before it is killed
ROUND = 0.1  # seconds between looks


class Claim:
    """The right to run Kafka on a folder; held until `release`."""

    def __init__(self, data_dir: Path) -> None:
        """Take the folder, ending an orphaned broker first. Raises DataDirInUseError."""
        self._data_dir = data_dir
        self._note = data_dir / "kafka.pid"
        self._file = (data_dir / "lock").open("ab")
        try:
            self._take()
        except BaseException:
            self._file.close()
            raise

    @property
    def fd(self) -> int:
        """Return the descriptor that the broker must inherit."""
        return self._file.fileno()

    def record(self, broker: int) -> None:
        """Note the broker's process id for whoever comes after us."""
        part = self._note.with_suffix(".part")
        part.write_text(json.dumps({"owner": _identity(os.getpid()), "broker": _identity(broker)}))
        part.replace(self._note)

    def release(self) -> None:
        """Give the folder back; call it when the broker has ended."""
        self._note.unlink(missing_ok=True)
        self._file.close()

    def _take(self) -> None:
        if self._try():
            return
        owner, broker = self._holders()
        if owner or not broker:
            raise DataDirInUseError(self._data_dir, owner.pid if owner else None)
        for end in (broker.terminate, broker.kill):
            with contextlib.suppress(psutil.NoSuchProcess):
                end()
            if self._try_for(PATIENCE):
                return
        raise DataDirInUseError(self._data_dir, broker.pid)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _try_for(self, patience: float) -> bool:
        # The lock and not the process tells the end: a dead process that nobody has waited for still has an id.
        deadline = time.monotonic() + patience
        while not self._try():
            if time.monotonic() > deadline:
                return False
            time.sleep(ROUND)
        return True

    def _holders(self) -> tuple[psutil.Process | None, psutil.Process | None]:
        try:
            note = json.loads(self._note.read_text())
            return _living(note["owner"]), _living(note["broker"])
        except (OSError, ValueError, KeyError, TypeError):
            return None, None


def _identity(pid: int) -> list[float]:
    # Process ids are reused; together with the start time they are not.
    return [pid, psutil.Process(pid).create_time()]


def _living(identity: list[float]) -> psutil.Process | None:
    pid, created = identity
    try:
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None
