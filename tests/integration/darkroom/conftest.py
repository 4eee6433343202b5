"""A whole system, as `darkroom up` runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from darkroom.cli.root import run

ROOT = Path(__file__).parents[3]
START_S = 240.0
"""A busy two-core machine took 90 (seconds)."""


class Up:
    """A `darkroom up` in a process of its own."""

    def __init__(self, data: Path, *options: str, env: dict[str, str] | None = None) -> None:
        self.data = data
        self.output = data.parent / f"{data.name}.out"
        self._file = self.output.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "darkroom", "up", "--data", str(data), *options],
            stdout=self._file,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
        )

    def wait_ready(self) -> Up:
        until = time.monotonic() + START_S
        while not self._noted:
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"not ready: {self.text}")
            time.sleep(0.1)
        return self

    @property
    def _noted(self) -> bool:
        """Its own note is there, not that of a system killed before."""
        return (self.data / "up.json").exists() and self.note["pid"] == self.process.pid

    @property
    def text(self) -> str:
        return self.output.read_text()

    @property
    def note(self) -> dict[str, Any]:
        return dict(json.loads((self.data / "up.json").read_bytes()))

    @property
    def servers(self) -> str:
        return str(self.note["bootstrap_servers"])

    @property
    def pids(self) -> dict[str, int]:
        return {one["name"]: one["pid"] for one in self.note["processes"]}

    def stop(self, within: float = 60.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.end(within)

    def end(self, within: float = 60.0) -> int:
        try:
            return self.process.wait(within)
        finally:
            self.kill()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._file.close()


@dataclass(frozen=True, kw_only=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def command(*arguments: str) -> Done:
    """Run `darkroom` in this process: a new one costs seconds on a busy machine."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        status = run(arguments)
    return Done(returncode=status, stdout=out.getvalue(), stderr=err.getvalue())


def program(*arguments: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `darkroom` as a program."""
    return subprocess.run(
        [sys.executable, "-m", "darkroom", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        check=False,
    )


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One system for all tests of a file."""
    system = Up(tmp_path_factory.mktemp("up") / "data")
    try:
        yield system.wait_ready()
        assert system.stop() == 0, system.text
    finally:
        system.kill()
