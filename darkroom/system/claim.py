"""One system at a time on a data folder, and nothing left over from one that was killed.

The lock is on an open file that every process of the system inherits: it stays taken while any of them lives. A note
beside it says who they are, so that what outlived a violent death is found and ended by the next start.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from darkroom.errors import DarkroomError

PATIENCE_S = 15.0
"""How long an orphan may take to leave in order before it is killed (seconds)."""

ROUND_S = 0.1


class InUse(DarkroomError):
    """A living system already runs on this folder."""


class Claim:
    """The right to run on a folder, held until `release`."""

    def __init__(self, data: Path) -> None:
        """Take the folder, ending orphans of a killed system first. Raises `InUse`."""
        data.mkdir(parents=True, exist_ok=True)
        self._data = data
        self._note = data / "pids.json"
        self._file = (data / "lock").open("ab")
        try:
            self._take()
        except BaseException:
            self._file.close()
            raise

    @property
    def fd(self) -> int:
        """The descriptor that every process of the system must inherit."""
        return self._file.fileno()

    def record(self, pids: Iterable[int]) -> None:
        """Note the processes of the system for whoever comes after us."""
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
                who = f"process {owner.pid}" if owner else "another process"
                raise InUse(f"{self._data} is in use by {who}. Stop that one, or choose another folder with --data.")
            _end(orphans)
            self._wait()
        self.record([])

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while not self._try():
            if time.monotonic() > until:
                raise InUse(f"{self._data} is still held by processes of a system that was killed.")
            time.sleep(ROUND_S)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
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


def _end(orphans: list[psutil.Process]) -> None:
    for orphan in orphans:
        try:
            orphan.terminate()
        except psutil.NoSuchProcess:
            continue
    for orphan in psutil.wait_procs(orphans, timeout=PATIENCE_S)[1]:
        try:
            orphan.kill()
        except psutil.NoSuchProcess:
            continue
