"""A Faust message whose acknowledged flag is the ledger's."""

from collections.abc import Callable
from typing import Any

from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.chunks.chunk import Chunk
from streams.chunks.ledger import Delivery


class TrackedMessage(ConsumerMessage):
    """Faust acknowledges by setting ``acked``, in three places, one of them compiled: the flag itself is the only sure hook.

    It also lets go of the records, for the ledger never holds them: a finished chunk behind a held one costs a few words.
    """

    def __init__(self, delivery: Delivery, settle: Callable[[Delivery], None], *args: Any, **kwargs: Any) -> None:
        self._delivery = delivery
        self._settle = settle
        super().__init__(*args, **kwargs)

    @property
    def acked(self) -> bool:
        return self._delivery.acked

    @acked.setter
    def acked(self, value: bool) -> None:
        if value:
            self._settle(self._delivery)


def chunk_message(delivery: Delivery, settle: Callable[[Delivery], None], chunk: Chunk, generation: int) -> TrackedMessage:
    """The whole chunk as the value, no key and no headers; offset and timestamp are the last record's."""
    last, tp = chunk.records[-1], TP(chunk.topic, chunk.partition)
    at = (last.timestamp or 0) / 1000
    fields = (tp.topic, tp.partition, last.offset, at, last.timestamp_type, (), None, chunk, None, 0, 0, tp)
    return TrackedMessage(delivery, settle, *fields, generation_id=generation)


def record_message(delivery: Delivery, settle: Callable[[Delivery], None], record: Any, generation: int) -> TrackedMessage:
    """One record, as Faust itself delivers it: for topics that were not named to ``install_chunks``."""
    tp = TP(record.topic, record.partition)
    at = (record.timestamp or 0) / 1000
    about = (tp.topic, tp.partition, record.offset, at, record.timestamp_type, record.headers, record.key, record.value)
    sizes = (record.checksum, record.serialized_key_size, record.serialized_value_size)
    return TrackedMessage(delivery, settle, *about, *sizes, tp, generation_id=generation)
