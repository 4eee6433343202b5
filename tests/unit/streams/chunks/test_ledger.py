"""The ledger never commits past an unfinished record. The checker is run on broken ledgers too, and must catch them."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from streams.chunks.ledger import Delivery, Hole, Ledger, Partition

P = Partition("jobs", 0)
PARTITIONS = (P, Partition("jobs", 1), Partition("control", 0))

#: What may happen: (what, a number that chooses the partition or the delivery, a size).
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["deliver", "deliver", "ack", "ack", "ack", "commit", "commit lost", "epoch"]),
        st.integers(0, 99),
        st.integers(1, 5),
    ),
    max_size=80,
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    """Drives a ledger as the consumer does, and knows the truth: which offsets are finished."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.epoch = 0
        self.next = dict.fromkeys(PARTITIONS, 0)
        self.handed: list[tuple[Delivery, range]] = []
        self.finished: dict[Partition, set[int]] = {p: set() for p in PARTITIONS}
        self.broker = dict.fromkeys(PARTITIONS, 0)
        self.this_epoch: dict[Partition, int] = {}

    def deliver(self, choice: int, size: int) -> None:
        p = PARTITIONS[choice % len(PARTITIONS)]
        start = self.next[p]
        self.ledger.open(p, start)
        if self.ledger.has_room(p):
            self.handed.append((self.ledger.deliver(p, start, start + size, size), range(start, start + size)))
            self.next[p] = start + size

    def ack(self, choice: int) -> None:
        if self.handed:
            delivery, offsets = self.handed[choice % len(self.handed)]
            self.finished[delivery.partition].update(offsets)
            self.ledger.ack(delivery)

    def commit(self, *, reaches_broker: bool) -> None:
        for p, offset in self.ledger.committable().items():
            unfinished = set(range(offset)) - self.finished[p]
            assert not unfinished, f"{p} commits {offset} past {min(unfinished)}"
            assert offset > self.this_epoch.get(p, -1), f"{p} goes back to {offset}"
            if reaches_broker:
                self.this_epoch[p] = self.broker[p] = offset
        if reaches_broker:
            self.ledger.committed(self.epoch, self.ledger.committable())

    def new_epoch(self) -> None:
        self.epoch += 1
        self.next = dict(self.broker)
        self.this_epoch = {}
        self.ledger.begin(self.epoch)


def check(make: Callable[[Clock], Ledger]) -> None:
    @settings(
        max_examples=400,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # one counterexample will do, it need not be small
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(STEPS)
    def run(steps: list[tuple[str, int, int]]) -> None:
        world = World(make(Clock()))
        for what, choice, size in steps:
            match what:
                case "deliver":
                    world.deliver(choice, size)
                case "ack":
                    world.ack(choice)
                case "epoch":
                    world.new_epoch()
                case _:
                    world.commit(reaches_broker=what == "commit")
        for i in range(len(world.handed)):
            world.ack(i)
        world.commit(reaches_broker=True)
        for p, end in world.next.items():
            assert world.broker[p] == end, f"{p}: everything before {end} is finished, {world.broker[p]} committed"

    run()


class CommitsTheHighest(Ledger):
    """Faust's own mistake: the highest acknowledged offset, whatever lies before it."""

    def ack(self, delivery: Delivery) -> None:
        super().ack(delivery)
        book = self._books.get(delivery.partition)
        if book is not None and delivery.epoch == self.epoch:
            book.finished = max(book.finished or 0, delivery.end)


class BelievesOldEpochs(Ledger):
    def ack(self, delivery: Delivery) -> None:
        delivery.epoch = self.epoch
        book = self._books.get(delivery.partition)
        if book is not None:
            book.finished = delivery.end


class ForgetsWhatACommitLost(Ledger):
    def committable(self) -> dict[Partition, int]:
        offsets = super().committable()
        super().committed(self.epoch, offsets)
        return offsets


def test_commits_are_the_finished_prefix_and_never_go_back() -> None:
    check(lambda clock: Ledger(clock, window=12))


@pytest.mark.parametrize("broken", [CommitsTheHighest, BelievesOldEpochs, ForgetsWhatACommitLost])
def test_the_checker_catches_a_ledger_that(broken: type[Ledger]) -> None:
    with pytest.raises(AssertionError):
        check(lambda clock: broken(clock, window=12))


def test_held_first_chunk_keeps_later_ones_from_being_committed() -> None:
    ledger = Ledger(Clock())
    ledger.open(P, 0)
    first, second = ledger.deliver(P, 0, 10, 10), ledger.deliver(P, 10, 20, 10)
    ledger.ack(second)
    assert ledger.committable() == {}
    ledger.ack(first)
    assert ledger.committable() == {P: 20}


def test_acknowledging_twice_counts_once() -> None:
    ledger = Ledger(Clock())
    ledger.open(P, 0)
    first, _second = ledger.deliver(P, 0, 10, 10), ledger.deliver(P, 10, 20, 10)
    ledger.ack(first)
    ledger.ack(first)
    assert ledger.committable() == {P: 10}


def test_acknowledgement_from_before_a_rebalance_is_ignored() -> None:
    ledger = Ledger(Clock())
    ledger.open(P, 0)
    old = ledger.deliver(P, 0, 10, 10)
    ledger.begin(1)
    ledger.open(P, 0)
    ledger.deliver(P, 0, 5, 5)
    ledger.ack(old)
    assert ledger.committable() == {}


def test_commit_of_an_ended_epoch_is_no_news_for_the_next() -> None:
    ledger = Ledger(Clock())
    ledger.begin(1)
    ledger.open(P, 0)
    ledger.ack(ledger.deliver(P, 0, 5, 5))
    ledger.committed(0, {P: 5})
    assert ledger.committable() == {P: 5}


def test_late_news_of_an_older_epoch_does_not_bring_it_back() -> None:
    ledger = Ledger(Clock())
    ledger.begin(2)
    ledger.open(P, 7)
    ledger.begin(1)
    assert (ledger.epoch, ledger.tail(P)) == (2, 7)


def test_hole_is_refused() -> None:
    ledger = Ledger(Clock())
    ledger.open(P, 0)
    ledger.deliver(P, 0, 10, 10)
    with pytest.raises(Hole):
        ledger.deliver(P, 11, 20, 9)
    with pytest.raises(Hole):
        ledger.deliver(P, 5, 20, 15)


def test_first_delivery_must_be_where_reading_began() -> None:
    ledger = Ledger(Clock())
    ledger.open(P, 0)
    with pytest.raises(Hole):
        ledger.deliver(P, 10, 20, 10)


def test_full_window_holds_back_its_own_partition_only_and_says_when_there_is_room() -> None:
    rooms: list[bool] = []
    ledger = Ledger(Clock(), window=10, on_room=lambda: rooms.append(True))
    ledger.open(P, 0)
    first, second = ledger.deliver(P, 0, 6, 6), ledger.deliver(P, 6, 12, 6)
    assert not ledger.has_room(P)
    assert ledger.has_room(PARTITIONS[1])
    ledger.ack(second)
    assert not ledger.has_room(P), "acknowledged behind a held one: it still counts, for it would be redone"
    assert rooms == []
    ledger.ack(first)
    assert ledger.has_room(P)
    assert rooms == [True]


def test_oldest_is_the_first_unfinished_of_each_partition() -> None:
    clock = Clock()
    ledger = Ledger(clock)
    ledger.open(P, 0)
    first = ledger.deliver(P, 0, 1, 1)
    clock.now = 5.0
    second = ledger.deliver(P, 1, 2, 1)
    ledger.ack(first)
    assert list(ledger.oldest()) == [second]
    assert second.at == 5.0


def test_offsets_missing_in_the_log_belong_to_the_delivery_that_covers_them() -> None:
    ledger = Ledger(Clock())
    ledger.open(P, 3)
    ledger.ack(ledger.deliver(P, 3, 40, 2))
    assert ledger.committable() == {P: 40}


def test_resume_points_are_what_was_committed_in_this_epoch() -> None:
    ledger = Ledger(Clock())
    ledger.open(P, 0)
    ledger.ack(ledger.deliver(P, 0, 10, 10))
    assert ledger.resume_points() == {}
    ledger.committed(0, {P: 10})
    ledger.ack(ledger.deliver(P, 10, 20, 10))
    assert ledger.resume_points() == {P: 10}
    ledger.begin(1)
    assert ledger.resume_points() == {}


def test_window_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Ledger(Clock(), window=0)
