"""The broker as a part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from darkroom.system.part import gone
from infra.local.kafka import LocalKafka


class Kafka:
    """A broker of our own."""

    name = "kafka"
    http_port = None

    def __init__(self, broker: LocalKafka) -> None:
        self.log = broker.log
        self.broker = broker

    @property
    def pid(self) -> int | None:
        return self.broker.pid

    @property
    def alive(self) -> bool:
        return self.broker.running

    @property
    def ending(self) -> str:
        return "ended"

    async def start(self, spawned: Callable[[], None]) -> None:
        await asyncio.to_thread(self.broker.start)
        spawned()

    async def ended(self) -> None:
        await gone(lambda: self.alive)

    async def stop(self, patience_s: float) -> None:
        await asyncio.to_thread(self.broker.stop, patience_s)

    def kill(self) -> None:
        self.broker.kill9()
