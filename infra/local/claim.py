"""One owner at a time of a data folder, and nothing left over from one that was killed.

The lock is on an open file that every process of the owner inherits: it stays taken while any of them lives. A note
beside it says who they are, so that what outlived a violent death is found and ended by the next owner.
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
    from collections.abc import Iterable
    from pathlib import Path

PATIENCE_S = 20.0
"""How long an orphan gets to leave in order before it is killed (seconds)."""

ROUND_S = 0.1


class Claim:
    """The right to run on a folder; held until `release`."""

    def __init__(self, folder: Path, note: str) -> None:
        """Take the folder, ending orphans of a killed owner first. Raises DataDirInUseError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._note = folder / note
        self._file = (folder / "lock").open("ab")
        try:
            self._take()
        except BaseException:
            self._file.close()
            raise

    @property
    def fd(self) -> int:
        """The descriptor that every process of the owner must inherit."""
        return self._file.fileno()

    def record(self, pids: Iterable[int]) -> None:
        """Note the owner's processes for whoever comes after us."""
        parts = [identity for pid in pids if (identity := _identity(pid))]
        part = self._note.with_suffix(".part")
        part.write_text(json.dumps({"owner": _identity(os.getpid()), "parts": parts}))
        part.replace(self._note)

    def release(self) -> None:
        """Give the folder back, once every process has ended."""
        self._note.unlink(missing_ok=True)
        self._file.close()

    def _take(self) -> None:
        if not self._try():
            owner, orphans = self._holders()
            if owner or not orphans:
                raise DataDirInUseError(self._folder, owner.pid if owner else None)
            self._end(orphans)
        self.record([])

    def _end(self, orphans: list[psutil.Process]) -> None:
        for blow in (psutil.Process.terminate, psutil.Process.kill):
            for orphan in orphans:
                with contextlib.suppress(psutil.NoSuchProcess):
                    blow(orphan)
            if self._try_for(PATIENCE_S):
                return
        raise DataDirInUseError(self._folder, orphans[0].pid)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _try_for(self, patience_s: float) -> bool:
        # The lock and not the process tells the end: a dead process that nobody has waited for still has an id.
        until = time.monotonic() + patience_s
        while not self._try():
            if time.monotonic() > until:
                return False
            time.sleep(ROUND_S)
        return True

    def _holders(self) -> tuple[psutil.Process | None, list[psutil.Process]]:
        try:
            note = json.loads(self._note.read_text())
            parts = [_living(identity) for identity in note["parts"]]
            return _living(note["owner"]), [part for part in parts if part]
        except (OSError, ValueError, KeyError, TypeError):
            return None, []


def _identity(pid: int) -> list[float] | None:
    # Process ids are reused; together with the start time they are not.
    try:
        return [pid, psutil.Process(pid).create_time()]
    except psutil.NoSuchProcess:
        return None


def _living(identity: list[float]) -> psutil.Process | None:
    pid, created = identity
    try:
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None
