"""A chunk: the run of records of one partition that an agent receives as one event."""

from collections.abc import Iterator, Sequence
from typing import Any

import faust


class Chunk:
    """Consecutive records of one partition, in offset order; never empty.

    ``records`` are aiokafka ``ConsumerRecord``: ``key``, ``value``, ``headers``, ``offset`` and ``timestamp`` as they came,
    a tombstone's ``value`` is None.
    """

    __slots__ = ("partition", "records", "topic")

    def __init__(self, topic: str, partition: int, records: Sequence[Any]) -> None:
        if not records:
            raise ValueError("a chunk holds at least one record")
        self.topic = topic
        self.partition = partition
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.records)

    def __repr__(self) -> str:
        first, last = self.records[0].offset, self.records[-1].offset
        return f"<Chunk {self.topic}[{self.partition}] {first}..{last}, {len(self)} records>"


class RawSchema(faust.Schema[Any, Any]):
    """No codec touches key or value: what the transport delivers is what the agent gets."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 (Faust's signature)
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 (the same)
        return message.value
