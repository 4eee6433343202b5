"""Cancels, read from `control` by every worker, only to save work: that a job is cancelled is decided elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from contracts.brokers import Reach, client_options
from contracts.codec import Decoder, Invalid
from contracts.events import Control

log = logging.getLogger(__name__)

KEPT = 10_000
"""Cancels remembered, for batches that come after them."""
RETRY_S = 1.0


class Cancels:
    """The cancels of late, by tenant and id."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._names: OrderedDict[tuple[str, str], None] = OrderedDict()

    def add(self, tenant: str, id: str) -> None:
        """Remember one, and forget the oldest if there are too many."""
        self._names[tenant, id] = None
        if len(self._names) > self._kept:
            self._names.popitem(last=False)

    def __contains__(self, name: tuple[str, str]) -> bool:
        return name in self._names

    def __bool__(self) -> bool:
        return bool(self._names)


async def follow(brokers: Reach, topic: str, told: Callable[[Control], None]) -> None:
    """Tell of every cancel from now on. In no group: every worker sees all of them."""
    while True:
        consumer = AIOKafkaConsumer(topic, **client_options(brokers), auto_offset_reset="latest", enable_auto_commit=False)
        try:
            await consumer.start()
            async for record in consumer:
                _tell(record, told)
        except KafkaError as error:
            log.warning("reading cancels failed (%s)", type(error).__name__)
        finally:
            await consumer.stop()
        await asyncio.sleep(RETRY_S)


_read = Decoder(Control)


def _tell(record: Any, told: Callable[[Control], None]) -> None:
    try:
        told(_read(record.value))
    except Invalid:
        return  # the control agent answers the sender
