"""Bookkeeping of batches in hand over rebalances, against a model of what Kafka holds."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gpu_consumers.book import Book

PARTITIONS = range(3)


class World(RuleBasedStateMachine):
    """One worker among others: batches of its partitions are finished by it, and by others while it does not own them."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.committed = dict.fromkeys(PARTITIONS, 0)
        self.durable: dict[int, set[int]] = {p: set() for p in PARTITIONS}
        self.reading: dict[int, int] = {}
        self.running: set[tuple[int, int]] = set()
        self.ran_since_owned: set[tuple[int, int]] = set()

    @rule(owned=st.sets(st.sampled_from(PARTITIONS)), progress=st.integers(0, 2))
    def rebalance(self, owned: set[int], progress: int) -> None:
        for partition in set(PARTITIONS) - set(self.reading):
            self.others_finish(partition, progress)
        assigned = self.book.assign({p: self.committed[p] for p in owned})
        kept = owned & set(self.reading)
        assert {p for p, _ in assigned.lost}.isdisjoint(kept), "a partition that stayed lost a batch"
        assert set(assigned.lost) == {one for one in self.running if one[0] not in owned}
        self.running -= set(assigned.lost)
        self.ran_since_owned = {one for one in self.ran_since_owned if one[0] in kept}
        self.reading = assigned.seek

    def others_finish(self, partition: int, count: int) -> None:
        for offset in range(self.committed[partition], self.committed[partition] + count):
            self.durable[partition].add(offset)
        self.committed[partition] += count

    @rule(data=st.data())
    @precondition(lambda self: self.reading)
    def fetch(self, data: Any) -> None:
        partition = data.draw(st.sampled_from(sorted(self.reading)))
        offset = self.reading[partition]
        self.reading[partition] += 1
        if self.book.take(partition, offset):
            assert (partition, offset) not in self.ran_since_owned, "a batch was taken twice"
            self.running.add((partition, offset))
            self.ran_since_owned.add((partition, offset))

    @rule(data=st.data())
    @precondition(lambda self: self.reading)
    def fetch_again(self, data: Any) -> None:
        partition = data.draw(st.sampled_from(sorted(self.reading)))
        offset = data.draw(st.integers(0, max(0, self.reading[partition] - 1)))
        assert offset >= self.reading[partition] or not self.book.take(partition, offset)

    @rule(data=st.data())
    @precondition(lambda self: self.running)
    def finish(self, data: Any) -> None:
        one = data.draw(st.sampled_from(sorted(self.running)))
        self.running.discard(one)
        self.durable[one[0]].add(one[1])
        self.book.done(*one)

    @rule()
    def commit(self) -> None:
        positions = self.book.to_commit()
        self.committed |= positions
        self.book.note_committed(positions)

    @rule()
    def commit_fails(self) -> None:
        self.book.to_commit()

    @invariant()
    def nothing_is_committed_before_it_is_durable(self) -> None:
        for partition, end in (self.committed | self.book.to_commit()).items():
            assert set(range(end)) <= self.durable[partition]

    @invariant()
    def everything_in_hand_is_counted(self) -> None:
        assert self.book.in_hand == len(self.running)
        assert all(self.book.holds(*one) for one in self.running)

    @invariant()
    def a_position_is_the_first_batch_not_finished(self) -> None:
        for partition, position in self.book.positions().items():
            assert set(range(position)) <= self.durable[partition]
            assert position == self.reading[partition] or (partition, position) in self.running

    @invariant()
    def where_something_is_undone_is_busy(self) -> None:
        assert {p for p, _ in self.running} <= set(self.book.busy)


World.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBook = World.TestCase


def test_a_batch_finished_elsewhere_meanwhile_is_given_up_although_the_partition_came_back() -> None:
    book = Book()
    book.assign({0: 5})
    assert book.take(0, 5)
    assert book.take(0, 6)
    assigned = book.assign({0: 6})
    assert assigned.lost == [(0, 5)]
    assert assigned.seek == {0: 7}
    assert book.in_hand == 1


def test_a_batch_of_a_partition_that_is_not_ours_is_not_taken() -> None:
    book = Book()
    assert not book.take(0, 0)
    book.assign({1: 0})
    assert not book.take(0, 0)


def test_what_is_done_out_of_order_is_committed_only_up_to_the_first_undone() -> None:
    book = Book()
    book.assign({0: 0})
    for offset in range(3):
        assert book.take(0, offset)
    book.done(0, 1)
    assert book.to_commit() == {}
    book.done(0, 0)
    assert book.to_commit() == {0: 2}


def test_a_batch_is_expected_until_it_is_committed() -> None:
    book = Book()
    book.assign({0: 5})
    assert (book.expects(0, 4), book.expects(0, 5), book.expects(1, 5)) == (False, True, False)
    book.take(0, 5)
    book.take(0, 6)
    book.done(0, 6)
    assert book.held == 2
    book.done(0, 5)
    assert (book.held, book.expects(0, 5), book.expects(0, 6)) == (0, True, True), "a kill now brings both again"
    book.note_committed(book.to_commit())
    assert (book.expects(0, 6), book.expects(0, 7)) == (False, True)


def test_before_it_is_known_which_partitions_are_ours_any_batch_may_come() -> None:
    book = Book()
    assert book.expects(0, 5), "outputs in the spool of a worker that just started would be thrown away"
    book.assign({1: 0})
    assert not book.expects(0, 5)
