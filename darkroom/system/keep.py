"""Keeps the parts of a system running: starts them in order, starts again what dies, gives up on what keeps dying."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from darkroom.errors import DarkroomError
from darkroom.system import logs
from darkroom.system.kafka import Kafka
from darkroom.system.part import BadlySet, NotStarted, Part
from darkroom.system.patience import Patience
from infra.local.errors import DidNotStart, LocalServerError
from infra.local.tail import tail

SLOW_S = 15.0
"""After this long a start is remarked upon (seconds)."""

CAP_S = 60.0
"""How often running parts' logs are looked at (seconds)."""


class GaveUp(DarkroomError):
    """A part keeps dying; the text quotes its log."""


class Keeper:
    """Keeps any number of parts; the others wait for Kafka."""

    def __init__(self, *, say: Callable[[str], None], changed: Callable[[], None]) -> None:
        """`say` is told what a person should know; `changed` whenever a part has a new process or is ready."""
        self._say = say
        self._changed = changed
        self._ready: set[str] = set()
        self.parts: list[Part] = []
        self.kafka_up = asyncio.Event()

    @property
    def all_ready(self) -> bool:
        """Every part can take work."""
        return len(self._ready) == len(self.parts)

    async def keep(self, part: Part) -> None:
        """Keep a part running until cancelled. Raises `GaveUp`."""
        patience = Patience()
        while True:
            if not isinstance(part, Kafka):
                await self.kafka_up.wait()
            why, was_ready = await self._live(part)
            # What ends because Kafka is away is not to blame.
            blamed = isinstance(part, Kafka) or self.kafka_up.is_set()
            pause = patience.failed(was_ready=was_ready) if blamed else 1.0
            if pause is None:
                raise GaveUp(f"{why}, again and again. The end of {part.log}:\n{tail(part.log)}")
            self._say(f"{why}; starting it again.")
            await asyncio.sleep(pause)

    async def cap_logs(self) -> None:
        """Keep the logs of running parts bounded, until cancelled."""
        while True:
            await asyncio.sleep(CAP_S)
            for part in self.parts:
                if not isinstance(part, Kafka):
                    logs.cap(part.log)

    async def _live(self, part: Part) -> tuple[str, bool]:
        """One life of a part; how it ended, and whether it ever was ready."""
        try:
            await self._start(part)
            await part.ended()
        except BadlySet as error:
            raise GaveUp(f"{error} {tail(part.log, 1)}") from error
        except (NotStarted, DidNotStart) as error:
            return str(error), False
        except LocalServerError as error:
            raise GaveUp(str(error)) from error  # A port or a folder taken, a full disk: trying again is no use.
        finally:
            self._ready.discard(part.name)
            if isinstance(part, Kafka):
                self.kafka_up.clear()
        return f"{part.name} {part.ending}", True

    async def _start(self, part: Part) -> None:
        slow = asyncio.get_running_loop().call_later(SLOW_S, self._say, f"Still waiting for {part.name} (its log: {part.log}).")
        try:
            await part.start(self._changed)
        finally:
            slow.cancel()
        self._ready.add(part.name)
        if isinstance(part, Kafka):
            self.kafka_up.set()
        self._changed()
