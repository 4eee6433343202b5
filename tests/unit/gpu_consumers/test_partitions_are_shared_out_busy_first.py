"""The assignor, without Kafka."""

from __future__ import annotations

from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_consumers.assign import Claim, _read, share_out

members = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(lambda g, o: Claim(generation=g, owned=o), st.integers(-1, 4), st.lists(st.integers(0, 9), unique=True)),
    min_size=1,
)


@settings(deadline=None)
@given(members, st.integers(0, 8))
def test_every_partition_has_one_owner_and_shares_differ_by_one_at_most(claims: dict[str, Claim], count: int) -> None:
    shares = share_out(claims, range(count))
    assert sorted(chain.from_iterable(shares.values())) == list(range(count))
    sizes = [len(shares[member]) for member in claims]
    assert max(sizes) - min(sizes) <= 1


@settings(deadline=None)
@given(members, st.integers(1, 8))
def test_a_member_keeps_what_it_wants_most(claims: dict[str, Claim], count: int) -> None:
    once = share_out(claims, range(count))
    settled = {member: Claim(generation=5, owned=share) for member, share in once.items()}
    assert share_out(settled, range(count)) == once


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(1, 7), st.data())
def test_nobody_loses_the_partition_whose_batch_runs_when_one_joins(count: int, workers: int, data: st.DataObject) -> None:
    names = [f"w{number}" for number in range(workers)]
    before = share_out({name: Claim() for name in names}, range(count))
    running = {name: data.draw(st.sampled_from(share)) for name, share in before.items() if share}
    claims = {
        name: Claim(generation=1, owned=sorted(share, key=lambda p: p != running.get(name))) for name, share in before.items()
    }
    after = share_out({**claims, "a-new": Claim()}, range(count))
    if count >= workers + 1:
        assert all(running[name] in after[name] for name in running)
    moved = [p for name in names for p in before[name] if p not in after[name]]
    assert len(moved) <= -(-count // (workers + 1)) + 1


def test_of_two_that_claim_a_partition_the_later_generation_has_it() -> None:
    owner, zombie = Claim(generation=4, owned=[1, 0]), Claim(generation=3, owned=[1, 2])
    for first, second in (("a", "b"), ("b", "a")):
        shares = share_out({first: owner, second: zombie}, [0, 1, 2, 3])
        assert shares == {first: [0, 1], second: [2, 3]}


def test_more_workers_than_partitions_leaves_some_with_none() -> None:
    shares = share_out({name: Claim() for name in "abc"}, [0])
    assert sorted(map(len, shares.values())) == [0, 0, 1]


@settings(deadline=None)
@given(st.binary())
def test_a_claim_that_cannot_be_read_is_no_claim(data: bytes) -> None:
    assert isinstance(_read(data), Claim)
    assert _read(None) == Claim()
