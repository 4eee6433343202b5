"""What a worker says of itself on `workers`: at every change, and every second."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from contracts.catalog import Catalog
from contracts.codec import encode
from contracts.records import Publishing, Record
from contracts.topics import Topics
from contracts.work import WorkerReport
from engines import registry

EVERY_S = 1.0


class Reporter:
    """Sends reports; several changes while one is under way make one more."""

    def __init__(self, publisher: Publishing, topics: Topics, make: Callable[[float], WorkerReport | None]) -> None:
        self._publisher = publisher
        self._topic = topics.workers
        self._make = make
        self._changed = asyncio.Event()

    def change(self) -> None:
        """Something is different now."""
        self._changed.set()

    async def serve(self) -> None:
        """Report until cancelled."""
        while True:
            self._changed.clear()
            await self.send()
            # Not asyncio.wait_for: in Python 3.11 it loses a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._changed.wait()

    async def send(self) -> None:
        """One report, acknowledged."""
        report = self._make(time.time())
        if report is not None:
            await self._publisher.publish([Record(self._topic, report.worker.encode(), encode(report))])


def runnable(catalog: Catalog, pool: str) -> list[str]:
    """name@version of the models of a pool whose engine is installed here."""
    return [model.ref for model in catalog.models if model.pool == pool and _installed(model.engine)]


def engines_of(catalog: Catalog, models: Sequence[str]) -> list[str]:
    """The engines that these models need."""
    return sorted({model.engine for model in catalog.models if model.ref in models})


def _installed(engine: str) -> bool:
    entry = registry.ENGINES.get(engine)
    # An extra is named after the module it brings: torch, tensorrt.
    return entry is not None and all(find_spec(name) for name in (entry.module, entry.extra) if name)
