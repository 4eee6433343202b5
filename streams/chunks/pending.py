"""Chunks that are fetched but not delivered yet, in turn by partition. Pure."""

from collections import deque
from collections.abc import Callable, Iterator, KeysView
from dataclasses import dataclass

from streams.chunks.chunk import Chunk
from streams.chunks.fetch import Run
from streams.chunks.ledger import Partition


@dataclass(slots=True, frozen=True)
class Slice:
    """A chunk and the offsets it covers: from the end of the slice before, so that gaps in the offsets belong to one of them."""

    partition: Partition
    epoch: int
    start: int
    end: int
    chunk: Chunk


def cut(run: Run, chunk_max: int) -> Iterator[Slice]:
    """Slices of at most ``chunk_max`` records that cover the run without a gap."""
    start = run.start
    for i in range(0, len(run.records), chunk_max):
        records = run.records[i : i + chunk_max]
        end = run.end if i + chunk_max >= len(run.records) else records[-1].offset + 1
        yield Slice(run.partition, run.epoch, start, end, Chunk(*run.partition, records))
        start = end


class Pending:
    """What one fetch brought of a partition waits here, no more: while it waits, the partition is not fetched."""

    def __init__(self) -> None:
        self._queues: dict[Partition, deque[Slice]] = {}

    def add(self, slices: Iterator[Slice], partition: Partition) -> None:
        self._queues.setdefault(partition, deque()).extend(slices)

    def take(self, may: Callable[[Partition], bool]) -> Iterator[Slice]:
        """One slice of each partition in turn, as long as one that may has any."""
        while ready := [p for p in self._queues if may(p)]:
            yield from (self._pop(p) for p in ready if p in self._queues and may(p))

    def _pop(self, partition: Partition) -> Slice:
        queue = self._queues[partition]
        first = queue.popleft()
        if not queue:
            del self._queues[partition]
        return first

    def partitions(self) -> KeysView[Partition]:
        return self._queues.keys()

    def drop(self, partition: Partition) -> None:
        self._queues.pop(partition, None)

    def clear(self) -> None:
        self._queues.clear()
