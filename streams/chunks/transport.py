"""The Faust transport driver that delivers chunks."""

from collections.abc import Collection
from typing import Any

from faust.transport.drivers.aiokafka import Transport

from streams.chunks.consume import ChunkConsumer
from streams.chunks.watch import Watch


class ChunkTransport(Transport):
    """Faust's aiokafka driver with our consumer. Producer, conductor and topic creation are Faust's."""

    Consumer = ChunkConsumer

    chunk_topics: frozenset[str]
    chunk_max: int
    window: int
    fetch_max_wait_ms: int
    watch: Watch

    def configure(
        self, *, topics: Collection[str], chunk_max: int, window: int, fetch_max_wait_ms: int, watch: Watch
    ) -> "ChunkTransport":
        self.chunk_topics = frozenset(topics)
        self.chunk_max = chunk_max
        self.window = window
        self.fetch_max_wait_ms = fetch_max_wait_ms
        self.watch = watch
        return self


def new_transport(app: Any) -> ChunkTransport:
    """The driver for this app's broker, to be configured."""
    return ChunkTransport(app.conf.broker_consumer, app)
