"""What only the Cassandra store can do wrong: answers that never come, nodes that sleep, clients without a right."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
from msgspec.structs import replace

pytest.importorskip("cassandra", reason="needs the extra: cassandra")

from infra.jobstore import cassandra_listing
from infra.jobstore import cassandra_statements as cql
from infra.jobstore.cassandra import CassandraJobs
from infra.jobstore.cassandra_place import place_of, replication
from infra.settings import Cassandra, Settings
from streams.patience import patiently
from streams.ports import Claim, Move, Note, StoreUnavailable
from tests.support.cassandras import TestCassandra
from tests.support.cut_line import Line, line_to
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(400)  # seconds, the start of a Cassandra included

WRONG = "hunter2"
"""A password."""

QUICK_S = 1.5
"""Until a request without an answer is given up, where a test makes it so."""


def claim(tenant: str, id: str = "a", source: str = "0@1@2", **more: Any) -> Claim:
    common: dict[str, Any] = {"fingerprint": b"one", "submitted_at": 1.7e9, "model": "m@1", "tier": "paid"}
    return Claim(tenant=tenant, id=id, source=source, **(common | more))


def move(tenant: str, id: str = "a", source: str = "0@7") -> Move:
    return Move(tenant=tenant, id=id, to="succeeded", attempt=1, source=source, at=1.7e9 + 5, result=b"r")


def note(tenant: str, source: str = "0@7") -> Note:
    return Note(rejected=f"jobs/{tenant}", source=source, at=1.7e9)


@pytest.fixture
def tenant() -> str:
    return uuid.uuid4().hex


@asynccontextmanager
async def opened(cassandra: TestCassandra, **settings: Any) -> AsyncIterator[CassandraJobs]:
    store = CassandraJobs(place_of(cassandra.url), replace(cassandra.settings, **settings))
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def over_a_line(cassandra: TestCassandra) -> AsyncIterator[tuple[CassandraJobs, Line]]:
    """A store that is connected already, over a line that can be cut."""
    async with line_to(cassandra.node.port) as line:
        place = place_of(f"cassandra://127.0.0.1:{line.port}/{cassandra.keyspace}")
        store = CassandraJobs(place, replace(cassandra.settings, timeout_s=QUICK_S))
        try:
            await patiently(store.get, "nobody", "nothing")
            yield store, line
        finally:
            await store.close()


class TestAnUnknownOutcome:
    async def test_a_claim_whose_answer_is_lost_is_found_to_be_ours(self, cassandra: TestCassandra, tenant: str) -> None:
        async with over_a_line(cassandra) as (store, line):
            line.lose_answers = 1
            (claimed,) = await store.claim([claim(tenant)])
            assert line.lost.is_set()
            assert claimed.answer == "new"
            assert [one.answer for one in await store.claim([claim(tenant), claim(tenant, source="1@1@1")])] == ["replay", "same"]

    async def test_a_claim_that_never_arrived_is_made_again(self, cassandra: TestCassandra, tenant: str) -> None:
        async with over_a_line(cassandra) as (store, line):
            line.lose_requests = 1
            (claimed,) = await store.claim([claim(tenant)])
            assert line.lost.is_set()
            assert claimed.answer == "new"

    async def test_a_claim_without_an_answer_never_takes_what_was_anothers(self, cassandra: TestCassandra, tenant: str) -> None:
        async with opened(cassandra) as other, over_a_line(cassandra) as (store, line):
            await other.claim([claim(tenant, source="1@1@1")])
            line.lose_answers = 1
            (claimed,) = await store.claim([claim(tenant, fingerprint=b"two")])
            assert line.lost.is_set()
            assert claimed.answer == "conflict"

    async def test_a_move_whose_answer_is_lost_is_found_to_have_won(
        self, cassandra: TestCassandra, tenant: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with opened(cassandra) as other, over_a_line(cassandra) as (store, line):
            await other.claim([claim(tenant)])
            _lose_the_answer_to(store, cql.SWAP, line, monkeypatch)
            assert await store.move([move(tenant)]) == ["won"]
            assert line.lost.is_set()
            assert await other.move([move(tenant), move(tenant, source="0@8")]) == ["again", "late"]

    async def test_a_rejection_whose_answer_is_lost_is_found_to_be_noted(self, cassandra: TestCassandra, tenant: str) -> None:
        async with over_a_line(cassandra) as (store, line):
            line.lose_answers = 1
            assert await store.reject([note(tenant)]) == ["won"]
            assert line.lost.is_set()
            assert await store.reject([note(tenant), note(tenant, source="0@8")]) == ["again", "late"]

    async def test_connections_that_break_amid_hundreds_of_writes_leave_each_job_one_owner_and_one_end(
        self, cassandra: TestCassandra, tenant: str
    ) -> None:
        ids = [f"{n}" for n in range(60)]
        async with over_a_line(cassandra) as (store, line):
            claims = asyncio.create_task(patiently(store.claim, [claim(tenant, id) for id in ids]))
            await _break_a_few_times(line, claims)
            assert {one.answer for one in await claims} <= {"new", "replay"}
            moves = asyncio.create_task(patiently(store.move, [move(tenant, id) for id in ids]))
            await _break_a_few_times(line, moves)
            assert set(await moves) <= {"won", "again"}
        async with opened(cassandra) as after:
            rows = await after.recent(tenant, "succeeded", 1000)
            assert Counter(row.id for row in rows) == Counter(ids)
            assert set(await after.move([move(tenant, id, source="0@8") for id in ids])) == {"late"}


def _lose_the_answer_to(store: CassandraJobs, statement: cql.Statement, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arm the line at the moment this statement is sent, and only then."""
    ask = store._link.ask

    async def arming(asked: cql.Statement, values: Sequence[Any]) -> Any:
        if asked is statement and not line.lost.is_set():
            line.lose_answers = 1
        return await ask(asked, values)

    monkeypatch.setattr(store._link, "ask", arming)


async def _break_a_few_times(line: Line, work: asyncio.Task[Any]) -> None:
    for _ in range(3):
        await eventually(partial(_done_or_passed, work, line, line.passed + 10), within=120)
        line.break_all()


def _done_or_passed(work: asyncio.Task[Any], line: Line, count: int) -> bool:
    return work.done() or line.passed >= count


class TestANodeThatIsAway:
    async def test_one_that_sleeps_holds_work_up_and_loses_none(self, cassandra: TestCassandra, tenant: str) -> None:
        async with opened(cassandra, timeout_s=0.5) as store:
            await patiently(store.claim, [claim(tenant)])
            cassandra.node.signal(signal.SIGSTOP)
            try:
                with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:\d+/tests: "):
                    await store.move([move(tenant)])
            finally:
                cassandra.node.signal(signal.SIGCONT)
            (verdict,) = await patiently(store.move, [move(tenant)])
            assert verdict in {"won", "again"}
            assert await patiently(store.move, [move(tenant, source="0@8")]) == ["late"]

    async def test_one_that_is_not_there_is_unavailable(self) -> None:
        store = CassandraJobs(place_of("cassandra://127.0.0.1:1/tests"), Cassandra(timeout_s=1.0))
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/tests"):
            await store.get("acme", "a")
        await store.close()


class TestCost:
    async def test_a_job_costs_two_conditional_writes(
        self, cassandra: TestCassandra, tenant: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with opened(cassandra) as store:
            asked = _recorded(store, monkeypatch)
            await store.claim([claim(tenant)])
            await store.move([move(tenant)])
        assert asked[cql.TAKE] + asked[cql.SWAP] + asked[cql.REJECT] == 2
        assert asked.total() <= 10

    async def test_no_more_requests_are_under_way_than_allowed(self, cassandra: TestCassandra, tenant: str) -> None:
        async with opened(cassandra, in_flight=3) as store:
            await store.get("nobody", "nothing")
            most = _most_in_flight(store)
            told = await store.claim([claim(tenant, f"{n}") for n in range(40)])
        assert [one.answer for one in told] == ["new"] * 40
        assert max(most) == 3


def _most_in_flight(store: CassandraJobs) -> list[int]:
    """How many requests were under way as each was sent."""
    assert store._link._live
    session, flying, counts = store._link._live.session, set[Any](), list[int]()
    send = session.execute_async

    def counting(*arguments: Any) -> Any:
        future = send(*arguments)
        flying.add(future)
        counts.append(len(flying))
        future.add_callbacks(lambda _: flying.discard(future), lambda _: flying.discard(future))
        return future

    session.execute_async = counting
    return counts


def _recorded(store: CassandraJobs, monkeypatch: pytest.MonkeyPatch) -> Counter[cql.Statement]:
    asked: Counter[cql.Statement] = Counter()
    ask = store._link.ask

    async def recording(statement: cql.Statement, values: Sequence[Any]) -> Any:
        asked[statement] += 1
        return await ask(statement, values)

    monkeypatch.setattr(store._link, "ask", recording)
    return asked


class TestListing:
    async def test_pages_leave_nothing_out_and_tell_nothing_twice(
        self, cassandra: TestCassandra, tenant: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cassandra_listing, "PAGE", 4)
        async with opened(cassandra) as store:
            # Equal times, so that pages end amid them.
            await store.claim([claim(tenant, f"{n:02}", submitted_at=1.7e9 + n // 7 * 86_400 * 20) for n in range(30)])
            rows = await store.recent(tenant, None, 100)
            assert [row.id for row in rows] == [f"{n:02}" for n in reversed(range(30))]
            assert [row.id for row in await store.recent(tenant, "queued", 13)] == [f"{n:02}" for n in range(29, 16, -1)]

    async def test_an_entry_that_a_crash_left_behind_is_not_shown(
        self, cassandra: TestCassandra, tenant: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with opened(cassandra) as store:
            await store.claim([claim(tenant)])
            asked = store._link.ask

            async def dies(statement: cql.Statement, values: Sequence[Any]) -> Any:
                if statement in {cql.ENTER_STATE, cql.LEAVE_STATE}:
                    raise StoreUnavailable("here the process died")
                return await asked(statement, values)

            with monkeypatch.context() as patch:
                patch.setattr(store._link, "ask", dies)
                with pytest.raises(StoreUnavailable):
                    await store.move([move(tenant)])
            assert await store.recent(tenant, "queued", 9) == []
            assert await store.move([move(tenant)]) == ["again"]
            assert [row.id for row in await store.recent(tenant, "succeeded", 9)] == ["a"]


class TestWhoMayConnect:
    async def test_a_wrong_password_is_told_without_telling_it(self, cassandra: TestCassandra) -> None:
        async with opened(cassandra, password=WRONG) as store:
            with pytest.raises(StoreUnavailable, match="user or password is wrong") as caught:
                await store.get("acme", "a")
        assert WRONG not in repr(caught.value)

    async def test_nobody_connects_without_a_user(self, cassandra: TestCassandra) -> None:
        async with opened(cassandra, user="", password="") as store:
            with pytest.raises(StoreUnavailable, match="user or password is wrong"):
                await store.get("acme", "a")

    async def test_over_tls_with_a_certificate_of_ours_all_is_well(self, cassandra: TestCassandra, tmp_path: Path) -> None:
        files = _client_files(cassandra.ca, cassandra.ca, tmp_path)
        async with opened(cassandra, **files, verify_host=True) as store:
            assert await store.get("acme", "a") is None

    async def test_a_node_whose_certificate_nobody_vouches_for_is_not_spoken_to(
        self, cassandra: TestCassandra, tmp_path: Path
    ) -> None:
        files = _client_files(trustme.CA(), cassandra.ca, tmp_path)
        async with opened(cassandra, **files, timeout_s=2.0) as store:
            with pytest.raises(StoreUnavailable):
                await store.get("acme", "a")

    async def test_a_client_without_a_certificate_is_not_let_in(self, cassandra: TestCassandra, tmp_path: Path) -> None:
        files = {"ca_file": _client_files(cassandra.ca, cassandra.ca, tmp_path)["ca_file"]}
        async with opened(cassandra, **files, timeout_s=2.0) as store:
            with pytest.raises(StoreUnavailable):
                await store.get("acme", "a")

    def test_a_password_is_in_no_settings_that_are_shown(self) -> None:
        assert WRONG not in repr(Settings(cassandra=Cassandra(user="me", password=WRONG)))


def _client_files(trusted: trustme.CA, own: trustme.CA, folder: Path) -> dict[str, str]:
    ca_file, cert_file = folder / "ca.pem", folder / "client.pem"
    trusted.cert_pem.write_to_path(ca_file)
    own.issue_cert("darkroom").private_key_and_cert_chain_pem.write_to_path(cert_file)
    return {"ca_file": str(ca_file), "cert_file": str(cert_file)}


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "hosts"),
        [
            ("cassandra://a:1/k", (("a", 1),)),
            ("cassandra://a,b:2,10.0.0.1/k", (("a", 9042), ("b", 2), ("10.0.0.1", 9042))),
            ("cassandra://[::1]:7/k", (("::1", 7),)),
        ],
    )
    def test_hosts_have_ports_of_their_own(self, url: str, hosts: tuple[tuple[str, int], ...]) -> None:
        assert place_of(url).hosts == hosts

    @pytest.mark.parametrize(
        "url", ["cassandra://a", "cassandra:///k", "cassandra://a/", "cassandra://a/K;DROP", "cassandra://a b/k"]
    )
    def test_what_is_no_address_is_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="not cassandra://"):
            place_of(url)

    def test_a_password_in_a_url_is_refused_and_not_repeated(self) -> None:
        with pytest.raises(ValueError, match="DARKROOM_CASSANDRA_USER") as caught:
            place_of("cassandra://me:hunter2@a/k")
        assert "hunter2" not in str(caught.value)

    def test_replication_is_a_number_or_one_for_each_data_centre(self) -> None:
        assert replication(Cassandra(replication="3")) == {"class": "SimpleStrategy", "replication_factor": 3}
        spread = replication(Cassandra(replication="eu-1:3, us:2"))
        assert spread == {"class": "NetworkTopologyStrategy", "eu-1": 3, "us": 2}

    @pytest.mark.parametrize("text", ["", "0", "eu", "eu:0", "eu:3;", "3,2"])
    def test_other_replication_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"cassandra\.replication"):
            replication(Cassandra(replication=text))
