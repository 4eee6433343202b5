"""Telling the parent what became of jobs, beside the engine: encoding pictures takes as long as some steps do."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Send = Callable[[bytes], None]
"""Sends a whole frame; safe from several threads."""

BACKLOG = 4
"""Groups that may wait to be encoded before the engine waits for them: pictures are large."""


class Teller:
    """Encodes finished jobs and tells of them, in order, in a thread of its own."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._groups: queue.Queue[Callable[[], bytes]] = queue.Queue(BACKLOG)

    def start(self) -> None:
        """Begin telling."""
        threading.Thread(target=self._work, name="encode", daemon=True).start()

    def tell(self, group: Callable[[], bytes]) -> None:
        """Queue what makes the next frame; waits while too much is waiting."""
        self._groups.put(group)

    def flush(self) -> None:
        """Wait until everything queued is sent."""
        self._groups.join()

    def _work(self) -> None:
        while True:
            group = self._groups.get()
            try:
                self._send(group())
            finally:
                self._groups.task_done()
