"""What the servers that we start on loopback have in common: one child process under a claim on its folder.

Blocking, and safe to call from any thread; from asyncio use `async with`, or `asyncio.to_thread`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from infra.local import jre
from infra.local.child import Child
from infra.local.claim import Claim
from infra.local.errors import DidNotStart, LocalServerError, PortInUseError
from infra.local.ports import is_free
from infra.local.progress import download_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

S = TypeVar("S", bound="Server")
ENDS = frozenset({signal.SIGINT, signal.SIGTERM})


class Server(ABC):
    """A server that keeps what it has in one folder, at the same ports each time that one object starts it."""

    name: ClassVar[str]
    """For messages; in small letters, of its log and of the note of who runs."""
    start_s: ClassVar[float]
    """How long it may take to answer, on a busy machine; that it ended is noticed at once (seconds)."""
    stop_s: ClassVar[float]
    """To end in order before it is killed (seconds)."""
    round_s: ClassVar[float] = 0.1
    """Between looks at one that starts (seconds)."""

    def __init__(self, folder: Path) -> None:
        """Describe it; nothing runs yet."""
        self.folder = folder.absolute()
        self.log = self.folder / f"{self.name.lower()}.log"
        self._death = signal.SIGTERM
        self._claim: Claim | None = None
        self._child: Child | None = None

    @property
    @abstractmethod
    def port(self) -> int:
        """The port for clients."""

    @abstractmethod
    def _command(self) -> list[str]:
        """What to run, once its files are written."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether clients can use it."""

    def _settle_ports(self) -> None:  # noqa: B027 - some know theirs from the beginning
        """Choose ports, unless an earlier start of this object did: clients still know those."""

    def _environment(self) -> Mapping[str, str]:
        return jre.environment()

    @property
    def running(self) -> bool:
        """Whether the process lives (ready or not)."""
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._child.pid if self._child else None

    def start(self, timeout: float | None = None) -> Self:
        """Start it and return when clients can use it, or fail after `timeout` seconds; nothing happens when it runs.

        Raises a LocalServerError.
        """
        try:
            self.launch()
            self.wait_ready(timeout)
        except BaseException:
            self.kill9()
            raise
        return self

    def launch(self) -> None:
        """Start the process without waiting for it to be ready."""
        if self.running:
            return
        self._claim = self._claim or Claim(self.folder, f"{self.name.lower()}.pid")
        self._settle_ports()
        if not is_free(self.port):
            raise PortInUseError(self.port)
        argv, env = self._command(), self._environment()
        self._child = Child(argv, log=self.log, env=env, keep_fd=self._claim.fd, death=self._death)
        self._claim.record([self._child.pid])

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until it answers. Raises DidNotStart."""
        child, deadline = self._child, time.monotonic() + (self.start_s if timeout is None else timeout)
        if child is None:
            raise RuntimeError(f"launch {self.name} before waiting for it")
        while not self._answers():
            if child.wait(self.round_s):
                raise DidNotStart(self.name, f"it ended with status {child.exit_status}", self.log)
            if time.monotonic() > deadline:
                raise DidNotStart(self.name, "it did not answer in time", self.log)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process: SIGSTOP makes a server that is there and does not answer."""
        if self._child:
            self._child.signal(number)

    def stop(self, timeout: float | None = None) -> None:
        """End it in order, or by force after `timeout` seconds; what it keeps stays."""
        if self._child:
            self._child.signal(signal.SIGTERM)
            self._child.wait(self.stop_s if timeout is None else timeout)
        self.kill9()

    def kill9(self) -> None:
        """End it as a crash would: no chance to close anything."""
        if self._child:
            self._child.signal(signal.SIGKILL)
            self._child.wait(None)
            self._child = None
        if self._claim:
            self._claim.release()
            self._claim = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)


def foreground(name: str, make: Callable[[Callable[[int, int], None]], S], answer: Callable[[S], str]) -> None:
    """Run one until Ctrl-C or SIGTERM, and print `answer` once clients may connect. `make` is told of downloads' progress."""
    # Blocked, then waited for: a signal that comes while it starts is not lost and stops it in order.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        with download_progress(name) as progress, make(progress) as server:
            print(answer(server), flush=True)  # noqa: T201 - the program's answer
            signal.sigwait(ENDS)
    except LocalServerError as error:
        sys.exit(str(error))
