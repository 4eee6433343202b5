"""The brokers in the storm: restarted one after the other, in order or hard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.cluster import LocalCluster
from infra.local.kafka import LocalKafka
from loadtest.storm.faults import Fault

START_S = 400.0
"""A broker among so many processes that start, on two cores, took more than two minutes (seconds)."""


class Brokers:
    """All brokers of a cluster, struck in turn. Implements `faults.Actor`."""

    name = "brokers"

    def __init__(self, brokers: tuple[LocalKafka, ...]) -> None:
        self.life = 1
        self._brokers = brokers

    async def ready(self) -> None:
        """They always are: a blow returns when the broker is back."""

    async def strike(self, fault: Fault) -> None:
        broker = self._brokers[self.life % len(self._brokers)]
        await asyncio.to_thread(broker.kill9 if fault.blow == "kill" else broker.stop)
        await asyncio.sleep(fault.hold_s)
        await asyncio.to_thread(broker.start, START_S)
        self.life += 1


@contextmanager
def cluster(folder: Path, count: int) -> Iterator[tuple[str, tuple[LocalKafka, ...]]]:
    """Brokers of our own; yields their address and themselves."""
    if count == 1:
        with LocalKafka(folder / "kafka") as one:
            yield one.bootstrap, (one,)
    else:
        with LocalCluster(folder / "kafka", count) as several:
            yield several.bootstrap, several.brokers
