"""What was delivered, what is finished, what may be committed. Pure: no Kafka, no Faust, no clock of its own."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

#: Records a partition may have delivered past its first unfinished one. It bounds memory, and how much is redone after a crash.
WINDOW = 20_000


class Partition(NamedTuple):
    """Compares and hashes like Faust's TP and aiokafka's TopicPartition, which are plain tuples of the same two."""

    topic: str
    partition: int


@dataclass(slots=True, eq=False)
class Delivery:
    """One chunk handed to an agent. It covers the offsets from the end of the one before up to ``end`` (exclusive)."""

    partition: Partition
    epoch: int
    end: int
    records: int
    at: float  # seconds on the ledger's clock
    acked: bool = False


@dataclass(slots=True)
class _Book:
    """One partition within one epoch."""

    tail: int  # the offset that must be delivered next
    open: deque[Delivery] = field(default_factory=deque)  # in offset order; the head is not acknowledged
    load: int = 0  # records in ``open``
    finished: int | None = None  # everything before it is acknowledged
    committed: int | None = None


class Hole(Exception):
    """A delivery that does not follow the one before: taking it would let a commit pass records nobody saw."""


class Ledger:
    """Finds the contiguous acknowledged prefix of every partition.

    An epoch is a stretch of reading without a seek and without a rebalance. A new epoch forgets everything of the one before:
    acknowledgements for it are ignored, so they cannot move the new one's commits.
    """

    def __init__(self, clock: Callable[[], float], window: int = WINDOW, on_room: Callable[[], None] = lambda: None) -> None:
        if window < 1:
            raise ValueError("the window holds at least one record")
        self.epoch = 0
        self._clock = clock
        self._window = window
        self._on_room = on_room
        self._books: dict[Partition, _Book] = {}

    def begin(self, epoch: int) -> None:
        """Start over; going back to an older epoch is refused silently, for late news of it are no news."""
        if epoch > self.epoch:
            self.epoch = epoch
            self._books.clear()

    def open(self, partition: Partition, offset: int) -> None:
        """Reading of this partition begins at this offset in the present epoch; later calls change nothing."""
        if partition not in self._books:
            self._books[partition] = _Book(tail=offset)

    def deliver(self, partition: Partition, start: int, end: int, records: int) -> Delivery:
        """Note that the offsets [start, end) of an opened partition go to an agent now; raises Hole when they may not."""
        book = self._books[partition]
        if start != book.tail or end <= start:
            raise Hole(f"{partition.topic}[{partition.partition}]: {book.tail} expected, got {start}..{end}")
        delivery = Delivery(partition, self.epoch, end, records, self._clock())
        book.open.append(delivery)
        book.load += records
        book.tail = end
        return delivery

    def ack(self, delivery: Delivery) -> None:
        """Mark a delivery as finished. The second time, or after its epoch, nothing happens."""
        if delivery.acked:
            return
        delivery.acked = True
        if delivery.epoch == self.epoch:
            self._advance(self._books[delivery.partition])

    def _advance(self, book: _Book) -> None:
        was_full = book.load >= self._window
        while book.open and book.open[0].acked:
            first = book.open.popleft()
            book.load -= first.records
            book.finished = first.end
        if was_full and book.load < self._window:
            self._on_room()

    def has_room(self, partition: Partition) -> bool:
        book = self._books.get(partition)
        return book is None or book.load < self._window

    def committable(self) -> dict[Partition, int]:
        """The offsets to commit now: one past the last of the finished prefix, where that moved since the last commit."""
        return {p: b.finished for p, b in self._books.items() if b.finished is not None and b.finished != b.committed}

    def committed(self, epoch: int, offsets: dict[Partition, int]) -> None:
        """The broker has taken these. Of another epoch than the present one: forgotten."""
        for partition, offset in offsets.items() if epoch == self.epoch else ():
            self._books[partition].committed = offset

    def resume_points(self) -> dict[Partition, int]:
        """What was committed in this epoch: reading again from there loses nothing and commits every record once more."""
        return {p: b.committed for p, b in self._books.items() if b.committed is not None}

    def tail(self, partition: Partition) -> int | None:
        """The offset that must be delivered next; None when the partition was not opened in this epoch."""
        book = self._books.get(partition)
        return None if book is None else book.tail

    def oldest(self) -> Iterator[Delivery]:
        """The first unfinished delivery of every partition that has one."""
        return (book.open[0] for book in self._books.values() if book.open)
