"""What every job store promises. A new adapter joins by one more entry in `STORES`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from infra.jobstore import open_jobs
from infra.jobstore.memory import MemoryJobs
from infra.jobstore.rules import KEEP_S
from infra.jobstore.sqlite import SqliteJobs
from streams.ports import Claim, JobStore, Move, Note

if TYPE_CHECKING:
    from tests.support.cassandras import TestCassandra
    from tests.support.redises import TestRedis

pytestmark = pytest.mark.timeout(400)  # seconds, the start of a Cassandra included

Open = Callable[[pytest.FixtureRequest], JobStore]


def cassandra_store(request: pytest.FixtureRequest) -> JobStore:
    from tests.support.cassandras import OwnTenants

    shared: TestCassandra = request.getfixturevalue("cassandra")
    return OwnTenants(open_jobs(shared.url, shared.settings), f"-{uuid.uuid4().hex}")


def remembering_store(request: pytest.FixtureRequest) -> JobStore:
    from infra.cache.redis import RedisCache
    from infra.jobstore.remembering import RememberingJobs

    shared: TestRedis = request.getfixturevalue("redis")
    file = request.getfixturevalue("tmp_path") / "jobs.db"
    return RememberingJobs(SqliteJobs(file, lambda: 1.0), RedisCache(shared.settings), uuid.uuid4().hex)


STORES: dict[str, Open] = {
    "remembering sqlite": remembering_store,
    "memory": lambda _: MemoryJobs(),
    "sqlite": lambda request: SqliteJobs(request.getfixturevalue("tmp_path") / "not" / "there" / "jobs.db", lambda: 1.0),
    "cassandra": cassandra_store,
}


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[JobStore]:
    opened = STORES[request.param](request)
    yield opened
    await opened.close()


A_CLAIM = Claim(tenant="acme", id="a", fingerprint=b"one", source="0@1@2", submitted_at=1.0, model="m@1", tier="paid")
A_MOVE = Move(tenant="acme", id="a", to="succeeded", attempt=1, source="0@7", at=5.0)
A_NOTE = Note(rejected="jobs/0@1", source="0@7", at=5.0)


def claim(id: str = "a", **changes: Any) -> Claim:
    return replace(A_CLAIM, id=id, **changes)


def move(id: str = "a", **changes: Any) -> Move:
    return replace(A_MOVE, id=id, **changes)


def note(**changes: Any) -> Note:
    return replace(A_NOTE, **changes)


async def answers(store: JobStore, *claims: Claim) -> list[str]:
    return [one.answer for one in await store.claim(claims)]


class TestClaim:
    async def test_a_free_id_is_given_to_the_first(self, store: JobStore) -> None:
        (claimed,) = await store.claim([claim()])
        assert (claimed.answer, claimed.state, claimed.attempt, claimed.cancelled) == ("new", "queued", 1, False)

    async def test_the_same_record_read_again_is_a_replay(self, store: JobStore) -> None:
        await store.claim([claim()])
        assert await answers(store, claim()) == ["replay"]

    async def test_an_equal_job_in_another_record_is_the_same(self, store: JobStore) -> None:
        await store.claim([claim()])
        assert await answers(store, claim(source="0@9@9")) == ["same"]

    async def test_another_job_under_the_id_is_a_conflict(self, store: JobStore) -> None:
        await store.claim([claim()])
        assert await answers(store, claim(source="0@9@9", fingerprint=b"two")) == ["conflict"]

    async def test_a_conflict_does_not_take_the_id(self, store: JobStore) -> None:
        await store.claim([claim()])
        await store.claim([claim(source="0@9@9", fingerprint=b"two")])
        assert await answers(store, claim()) == ["replay"]

    async def test_equal_ids_in_one_call_see_each_other(self, store: JobStore) -> None:
        told = await answers(store, claim(), claim(source="0@2@2"), claim(source="0@3@3", fingerprint=b"two"))
        assert told == ["new", "same", "conflict"]

    async def test_tenants_do_not_share_ids(self, store: JobStore) -> None:
        assert await answers(store, claim(), claim(tenant="other")) == ["new", "new"]

    async def test_a_repeated_claim_tells_the_state_the_job_is_in(self, store: JobStore) -> None:
        await store.claim([claim()])
        await store.move([move(to="retrying")])
        (claimed,) = await store.claim([claim(source="0@9@9")])
        assert (claimed.state, claimed.attempt) == ("retrying", 2)

    async def test_answers_come_in_the_order_of_the_claims_however_many(self, store: JobStore) -> None:
        await store.claim([claim(f"{n}") for n in range(0, 350, 3)])
        told = await answers(store, *(claim(f"{n}") for n in range(350)))
        assert told == ["replay" if n % 3 == 0 else "new" for n in range(350)]

    async def test_of_two_callers_at_once_exactly_one_gets_an_id(self, store: JobStore) -> None:
        chunk = [claim(f"{n}", source="0@0@0") for n in range(50)]
        other = [claim(f"{n}", source="1@1@1") for n in range(50)]
        first, second = await asyncio.gather(answers(store, *chunk), answers(store, *other))
        assert sorted(zip(first, second, strict=True)) in ([("new", "same")] * 50, [("same", "new")] * 50)

    async def test_of_32_jobs_that_race_for_one_id_one_gets_it_and_all_others_are_told_so(self, store: JobStore) -> None:
        racers = [claim(source=f"0@{n}@0", fingerprint=f"{n}".encode()) for n in range(32)]
        told = [one for (one,) in await asyncio.gather(*(answers(store, racer) for racer in racers))]
        assert sorted(told) == ["conflict"] * 31 + ["new"]
        assert await answers(store, racers[told.index("new")]) == ["replay"]

    async def test_a_refused_record_is_refused_again_when_it_is_read_again_whatever_is_asked_then(self, store: JobStore) -> None:
        refused = await store.claim([claim(refused=True)])
        again = await store.claim([claim(), claim(refused=True)])
        assert [(one.answer, one.state) for one in refused + again] == [("new", "rejected"), *[("replay", "rejected")] * 2]

    async def test_a_refused_record_does_not_take_the_id(self, store: JobStore) -> None:
        await store.claim([claim(refused=True)])
        later = claim(source="0@9@9", fingerprint=b"two", submitted_at=8.0)
        told = await store.claim([replace(later, refused=True), replace(later, source="0@10@9"), later, claim()])
        assert [(one.answer, one.state) for one in told] == [
            ("new", "rejected"),
            ("new", "queued"),
            ("same", "queued"),
            ("conflict", "queued"),
        ]
        assert await store.move([move()]) == ["won"]
        assert [(row.state, row.id) for row in await store.recent("acme", None, 9)] == [("succeeded", "a")]
        assert await store.recent("acme", "rejected", 9) == []

    async def test_a_job_that_has_its_id_cannot_be_refused(self, store: JobStore) -> None:
        await store.claim([claim()])
        told = await store.claim([claim(refused=True), claim(source="0@9@9", refused=True)])
        assert [(one.answer, one.state) for one in told] == [("replay", "queued"), ("same", "queued")]

    async def test_nothing_changes_a_refused_record(self, store: JobStore) -> None:
        await store.claim([claim(refused=True)])
        assert await store.cancel([("acme", "a")], 3.0) == ["rejected"]
        assert await store.move([move(), move(to="retrying", attempt=0)]) == ["late", "late"]

    async def test_nothing_claimed_is_nothing_answered(self, store: JobStore) -> None:
        assert await store.claim([]) == []


class TestCancel:
    async def test_a_job_on_its_way_tells_its_state(self, store: JobStore) -> None:
        await store.claim([claim()])
        assert await store.cancel([("acme", "a")], 3.0) == ["queued"]

    async def test_a_cancel_before_the_job_is_remembered(self, store: JobStore) -> None:
        assert await store.cancel([("acme", "a"), ("acme", "b")], 3.0) == [None, None]
        told = await store.claim([claim("a"), claim("c"), claim("b")])
        assert [one.cancelled for one in told] == [True, False, True]
        assert [one.answer for one in told] == ["new"] * 3

    async def test_a_remembered_cancel_holds_for_a_replay_of_the_job_too(self, store: JobStore) -> None:
        await store.cancel([("acme", "a")], 3.0)
        await store.claim([claim()])
        (again,) = await store.claim([claim()])
        assert (again.answer, again.cancelled) == ("replay", True)

    async def test_another_tenants_cancel_does_nothing(self, store: JobStore) -> None:
        await store.cancel([("other", "a")], 3.0)
        assert not (await store.claim([claim()]))[0].cancelled

    async def test_a_job_that_ended_tells_how(self, store: JobStore) -> None:
        await store.claim([claim()])
        await store.move([move()])
        assert await store.cancel([("acme", "a")], 3.0) == ["succeeded"]

    async def test_either_the_cancel_sees_the_job_or_the_job_the_cancel(self, store: JobStore) -> None:
        for n in range(50):
            claimed, states = await asyncio.gather(store.claim([claim(f"{n}")]), store.cancel([("acme", f"{n}")], 3.0))
            assert claimed[0].cancelled or states[0] == "queued"


class TestMove:
    async def test_the_first_outcome_wins_and_another_is_late(self, store: JobStore) -> None:
        await store.claim([claim()])
        assert await store.move([move(result=b"r"), move(source="0@8", to="cancelled", attempt=None)]) == ["won", "late"]
        row = await store.get("acme", "a")
        assert row is not None
        assert (row.state, row.result, row.updated_at) == ("succeeded", b"r", 5.0)

    async def test_the_winning_outcome_read_again_is_told_so(self, store: JobStore) -> None:
        await store.claim([claim()])
        await store.move([move()])
        assert await store.move([move()]) == ["again"]

    async def test_a_failure_of_an_earlier_attempt_is_late(self, store: JobStore) -> None:
        await store.claim([claim()])
        await store.move([move(to="retrying")])
        assert await store.move([move(source="0@8", to="failed", attempt=1)]) == ["late"]
        assert await store.move([move(source="0@9", to="failed", attempt=2)]) == ["won"]

    async def test_a_success_of_an_earlier_attempt_wins(self, store: JobStore) -> None:
        await store.claim([claim()])
        await store.move([move(to="retrying")])
        assert await store.move([move(source="0@8", attempt=1)]) == ["won"]

    async def test_a_retry_counts_the_attempt_up_once_however_often_it_is_told(self, store: JobStore) -> None:
        await store.claim([claim()])
        assert await store.move([move(to="retrying")]) == ["won"]
        assert await store.move([move(to="retrying")]) == ["again"]
        assert await store.move([move(to="retrying", source="0@8")]) == ["late"]
        row = await store.get("acme", "a")
        assert row is not None
        assert row.attempt == 2

    async def test_a_verdict_for_any_attempt_wins_at_any(self, store: JobStore) -> None:
        await store.claim([claim()])
        await store.move([move(to="retrying")])
        assert await store.move([move(source="0@8", to="expired", attempt=None)]) == ["won"]

    async def test_a_job_whose_store_was_lost_is_answered_once(self, store: JobStore) -> None:
        assert await store.move([move(), move(source="0@8")]) == ["won", "late"]
        assert await answers(store, claim()) == ["same"]

    async def test_moves_of_one_job_in_one_call_count_in_order(self, store: JobStore) -> None:
        await store.claim([claim()])
        told = await store.move([move(to="retrying"), move(source="0@8", attempt=1), move(source="0@9", attempt=2)])
        assert told == ["won", "won", "late"]

    async def test_verdicts_come_in_the_order_of_the_moves_however_many(self, store: JobStore) -> None:
        await store.claim([claim(f"{n}") for n in range(350)])
        await store.move([move(f"{n}") for n in range(0, 350, 3)])
        told = await store.move([move(f"{n}", source="0@8") for n in range(350)])
        assert told == ["late" if n % 3 == 0 else "won" for n in range(350)]

    async def test_of_two_outcomes_at_once_exactly_one_wins(self, store: JobStore) -> None:
        await store.claim([claim(f"{n}") for n in range(50)])
        first, second = await asyncio.gather(
            store.move([move(f"{n}") for n in range(50)]),
            store.move([move(f"{n}", source="0@8", to="cancelled", attempt=None) for n in range(50)]),
        )
        assert all({one, other} == {"won", "late"} for one, other in zip(first, second, strict=True))

    async def test_of_32_outcomes_that_race_to_end_a_job_exactly_one_wins_and_stays(self, store: JobStore) -> None:
        await store.claim([claim()])
        racers = [move(source=f"0@{n}", to=("succeeded", "failed")[n % 2], result=f"{n}".encode()) for n in range(32)]
        told = [one for (one,) in await asyncio.gather(*(store.move([racer]) for racer in racers))]
        assert sorted(told) == ["late"] * 31 + ["won"]
        row = await store.get("acme", "a")
        assert row is not None
        assert row.result == f"{told.index('won')}".encode()

    async def test_a_state_never_goes_back_whoever_races(self, store: JobStore) -> None:
        await store.claim([claim()])
        rounds = [[move(source=f"{n}@{k}", to="retrying", attempt=n) for k in range(4)] for n in (1, 2, 3)]
        ends = [move(source=f"9@{k}", to="failed", attempt=4) for k in range(4)]
        told = [await asyncio.gather(*(store.move([one]) for one in racers)) for racers in (*rounds, ends)]
        assert [sorted(one for (one,) in racers) for racers in told] == [["late"] * 3 + ["won"]] * 4
        assert await store.move([one for racers in rounds for one in racers[:1]]) == ["late"] * 3
        row = await store.get("acme", "a")
        assert row is not None
        assert (row.state, row.attempt) == ("failed", 4)


class TestReject:
    async def test_the_first_outcome_to_tell_of_a_rejection_counts(self, store: JobStore) -> None:
        told = await store.reject([note(), note(), note(source="0@8"), note(rejected="jobs/0@2")])
        assert told == ["won", "again", "late", "won"]

    async def test_a_rejection_is_forgotten_after_its_record_is(self, store: JobStore) -> None:
        if not isinstance(store, SqliteJobs):
            pytest.skip("forgets with the process, or by a clock of its own")
        await store.reject([note()])
        await store.reject([note(rejected="jobs/0@2", at=5.0 + KEEP_S + 1)])
        assert await store.reject([note(source="0@8")]) == ["won"]


class TestReading:
    async def test_a_job_that_is_not_there_is_none(self, store: JobStore) -> None:
        assert await store.get("acme", "a") is None

    async def test_recent_jobs_come_newest_first(self, store: JobStore) -> None:
        await store.claim([claim(id, submitted_at=at) for at, id in enumerate("cabed")])
        assert [row.id for row in await store.recent(None, None, 3)] == ["d", "e", "b"]

    async def test_a_job_that_moved_keeps_its_place(self, store: JobStore) -> None:
        await store.claim([claim(id, submitted_at=at) for at, id in enumerate("cab")])
        await store.move([move("c")])
        assert [row.id for row in await store.recent(None, None, 3)] == ["b", "a", "c"]

    async def test_recent_jobs_can_be_asked_for_by_tenant_and_state(self, store: JobStore) -> None:
        await store.claim([claim("a"), claim("b", submitted_at=2.0), claim("c", tenant="other", submitted_at=3.0)])
        await store.move([move("a")])
        assert [row.id for row in await store.recent("acme", None, 9)] == ["b", "a"]
        assert [row.id for row in await store.recent(None, "queued", 9)] == ["c", "b"]
        assert [row.id for row in await store.recent("acme", "succeeded", 9)] == ["a"]

    async def test_jobs_of_several_months_come_as_one_list(self, store: JobStore) -> None:
        days = [claim(f"{n:02}", submitted_at=1_700_000_000.0 + n * 5 * 86_400) for n in range(24)]  # four months
        await store.claim(days)
        await store.move([move(f"{n:02}") for n in range(0, 24, 2)])
        newest = [one.id for one in reversed(days)]
        assert [row.id for row in await store.recent("acme", None, 100)] == newest
        assert [row.id for row in await store.recent("acme", None, 15)] == newest[:15]
        assert [row.id for row in await store.recent("acme", "succeeded", 9)] == newest[1::2][:9]
