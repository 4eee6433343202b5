"""A child process that writes to a log file and does not outlive its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEASH = Path(__file__).with_name("leash.py")


class Child:
    """A running program; its output goes to a file, so it never blocks on a reader.

    A daemon thread starts it, waits for it and lives as long as it does: on Linux that ties its life to this
    process (see leash.py). It has a session of its own: Ctrl-C reaches its owner alone, who stops it in order.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        keep_fd: int,
        death: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start `argv` in the log's folder; `keep_fd` (a lock) stays open in it, `death` comes when we die."""
        self._ended = threading.Event()
        self._started = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(death))]
        arguments = ([*leash, *argv], log, dict(env), keep_fd)
        threading.Thread(target=self._run, args=arguments, name=f"child-{log.stem}", daemon=True).start()
        self._started.wait()
        if self._failure:
            raise self._failure

    def _run(self, argv: list[str], log: Path, env: dict[str, str], keep_fd: int) -> None:
        try:
            with log.open("ab") as out:
                self._process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                    cwd=log.parent, env=env, pass_fds=(keep_fd,), start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            self._failure = error
            self._ended.set()
        self._started.set()
        if self._process:
            self._process.wait()
            self._ended.set()

    @property
    def pid(self) -> int:
        """Return its process id."""
        assert self._process
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Tell whether it still runs."""
        return not self._ended.is_set()

    @property
    def exit_status(self) -> int | None:
        """Return its exit status once it has ended, negative for a signal."""
        return self._process.returncode if self._process else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self.alive and self._process:
            self._process.send_signal(number)

    def wait(self, timeout: float | None) -> bool:
        """Wait up to `timeout` seconds for its end and tell whether it came."""
        return self._ended.wait(timeout)
