"""Who may fill how much of the window, and who comes back from overflow when."""

from __future__ import annotations

from contracts.events import Tier
from streams.policy.overflow import Overflow, Owner
from streams.policy.waiting import Waiting
from streams.policy.window import Window
from tests.unit.streams.policy.batching.world import head

ROOM = 12
ME: Owner = ("ordinary", "me")
YOU: Owner = ("ordinary", "you")


class Pool:
    """A window and its overflow."""

    def __init__(self, partitions: int = 2) -> None:
        self.overflow = Overflow(ROOM, partitions)
        self.window = Window()
        self._made = 0

    def job(self, tenant: str, *, tier: Tier = "ordinary", size: int = 10, attempt: int = 1) -> Waiting:
        self._made += 1
        name = f"job-{self._made}"
        return Waiting(
            head=head(name, "a", tenant=tenant, attempt=attempt), name=(tenant, name), tier=tier, offset=self._made, arrived=0.0,
            weight=1.0, body=b"x" * size,
        )  # fmt: skip

    def send(self, tenant: str, count: int, **about: int) -> int:
        """How many of them are taken in."""
        taken = 0
        for _ in range(count):
            job = self.job(tenant, **about)  # type: ignore[arg-type]
            if self.overflow.admits(job, self.window):
                self.window.add(job, 0.0)
                taken += 1
            else:
                self.overflow.written(self.overflow.put((job.tier, tenant)), 1)
        return taken


def test_one_alone_gets_half_of_three_each_gets_a_quarter_and_a_newcomer_finds_room() -> None:
    pool = Pool()
    assert pool.send("a", 100) == 6
    assert pool.send("b", 100) == 3
    assert pool.send("c", 100) == 2
    assert pool.send("newcomer", 1) == 1


def test_tiers_have_windows_of_their_own() -> None:
    pool = Pool()
    pool.send("a", 100)
    assert pool.overflow.admits(pool.job("a", tier="paid"), pool.window)


def test_large_jobs_fill_it_sooner() -> None:
    assert Pool().send("a", 100, size=20_000) == 2


def test_who_has_jobs_in_overflow_sends_more_behind_them_but_what_ran_before_is_taken_in() -> None:
    pool = Pool()
    pool.send("a", 100)
    for job in list(pool.window._all.values())[:5]:
        pool.window.remove(job)
    assert pool.send("a", 1) == 0
    assert pool.send("a", 1, attempt=2) == 1


def test_they_come_back_many_at_a_time_once_half_of_the_part_is_free() -> None:
    pool = Pool()
    pool.send("me", 100)
    wanted = []
    for job in list(pool.window._all.values()):
        wanted.append(pool.overflow.invites(ME, pool.window))
        pool.window.remove(job)
    assert wanted == [0, 0, 0, 3, 4, 5]
    pool.overflow.invite(ME)
    assert pool.overflow.invites(ME, pool.window) == 5, "those on their way have their places"


def test_each_gets_an_empty_partition_while_there_is_one() -> None:
    pool = Pool()
    assert [pool.overflow.put(owner) for owner in (ME, YOU, ME, YOU)] == [0, 1, 0, 1]
    assert pool.overflow.put(("paid", "me")) in (0, 1)


def test_who_has_to_share_a_partition_comes_behind_the_fewest_those_on_their_way_there_among_them() -> None:
    pool = Pool()
    for owner, jobs in ((ME, 30), (YOU, 3)):
        for _ in range(jobs):
            pool.overflow.put(owner)
    assert pool.overflow.put(("ordinary", "third")) == 1


def test_places_that_are_promised_in_a_round_are_not_promised_again() -> None:
    pool = Pool()
    mine = pool.overflow.invites(ME, pool.window)
    yours = pool.overflow.invites(YOU, pool.window, promised=mine)
    assert mine > yours > 0
    assert pool.overflow.invites(("ordinary", "third"), pool.window, promised=mine + yours) > 0


def test_who_stands_before_somebody_with_room_is_moved_out_of_the_way() -> None:
    pool = Pool(1)
    pool.send("me", 100)
    pool.overflow.written(pool.overflow.put(YOU), 1)
    assert not pool.overflow.invites(ME, pool.window)
    assert pool.overflow.stands_before(ME, 0, pool.window)
    assert not pool.overflow.stands_before(YOU, 0, pool.window)
    assert pool.overflow.elsewhere(ME, 0) == 0, "there is no other partition: to its end"
    roomy = Pool(2)
    roomy.send("me", 100)
    assert roomy.overflow.elsewhere(ME, 0) == 1


def test_what_was_there_before_is_known_by_who_is_at_the_front_until_nothing_is_left() -> None:
    pool = Pool()
    pool.overflow.found(0, 5)
    pool.overflow.met(ME, 0)
    assert pool.send("me", 1) == 0
    for _ in range(6):
        pool.overflow.left(ME, 0)
    assert pool.send("me", 1) == 1
    pool.overflow.found(1, 3)
    pool.overflow.met(YOU, 1)
    pool.overflow.empty(1)
    assert pool.send("you", 1) == 1


def test_looking_twice_does_not_count_twice() -> None:
    pool = Pool()
    for _ in range(2):
        pool.overflow.count_again()
        pool.overflow.found(0, 5)
    assert pool.overflow.jobs() == 5
