"""Runs are cut without gaps and delivered in turn."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from streams.chunks.fetch import Run
from streams.chunks.ledger import Partition
from streams.chunks.pending import Pending, cut
from tests.unit.streams.chunks.records import records

A, B, C = Partition("a", 0), Partition("a", 1), Partition("b", 0)


def run(partition: Partition, *offsets: int, start: int | None = None, end: int | None = None) -> Run:
    first = offsets[0] if start is None else start
    return Run(partition, 1, first, first, offsets[-1] + 1 if end is None else end, records(*offsets), highwater=1000)


def everything(_: Partition) -> bool:
    return True


def taken(pending: Pending, may: Callable[[Partition], bool] = everything) -> list[tuple[Partition, int]]:
    return [(piece.partition, piece.chunk.records[0].offset) for piece in pending.take(may)]


@given(st.sets(st.integers(10, 400), min_size=1), st.integers(1, 50), st.integers(0, 9), st.integers(0, 9))
def test_slices_cover_the_run_without_a_gap_and_hold_every_record_once(
    offsets: set[int], most: int, before: int, after: int
) -> None:
    whole = run(A, *sorted(offsets), start=min(offsets) - before, end=max(offsets) + 1 + after)
    pieces = list(cut(whole, most))
    assert [r.offset for piece in pieces for r in piece.chunk] == sorted(offsets)
    assert all(len(piece.chunk) <= most for piece in pieces)
    edges = [piece.start for piece in pieces] + [pieces[-1].end]
    assert edges == [whole.start] + [piece.end for piece in pieces]
    assert pieces[-1].end == whole.end
    assert all(piece.start <= r.offset < piece.end for piece in pieces for r in piece.chunk)


def test_partitions_take_turns() -> None:
    pending = Pending()
    for partition, offsets in ((A, (0, 1, 2)), (B, (0, 1)), (C, (0,))):
        pending.add(cut(run(partition, *offsets), 1), partition)
    assert taken(pending) == [(A, 0), (B, 0), (C, 0), (A, 1), (B, 1), (A, 2)]
    assert not pending.partitions()


def test_partition_that_may_not_waits_and_the_others_go_on() -> None:
    pending = Pending()
    pending.add(cut(run(A, 0, 1), 1), A)
    pending.add(cut(run(B, 0, 1), 1), B)
    assert taken(pending, lambda p: p == B) == [(B, 0), (B, 1)]
    assert pending.partitions() == {A}
    assert taken(pending) == [(A, 0), (A, 1)]


def test_permission_is_asked_before_every_slice() -> None:
    pending, left = Pending(), [1]
    pending.add(cut(run(A, 0, 1), 1), A)

    def may(_: Partition) -> bool:
        return bool(left)

    pieces = pending.take(may)
    assert next(pieces).start == 0
    left.clear()
    assert list(pieces) == []
    assert pending.partitions() == {A}


def test_slices_are_forgotten_while_one_is_out() -> None:
    pending = Pending()
    pending.add(cut(run(A, 0, 1), 1), A)
    pieces = pending.take(everything)
    next(pieces)
    pending.clear()
    assert list(pieces) == []
