"""It says what the store would say, whatever it remembers and forgets, and spares the store what it can."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from contracts.metrics import Metrics
from infra.jobstore import remembering
from infra.jobstore.memory import MemoryJobs
from infra.jobstore.remembering import RememberingJobs
from infra.settings import BadSetting, read_settings
from streams.ports import Claim, Move
from tests.support.counted_jobs import CountedJobs


class Forgetful:
    """A memory that loses what it likes."""

    def __init__(self, loses: Callable[[], bool] = lambda: False) -> None:
        self.values: dict[str, bytes] = {}
        self._loses = loses

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        return [None if self._loses() else self.values.get(key) for key in keys]

    async def put(self, values: Mapping[str, bytes], ttl_s: float) -> None:  # noqa: ARG002 - the port
        self.values |= {key: value for key, value in values.items() if not self._loses()}

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        if key in self.values:
            return False
        await self.put({key: value}, ttl_s)
        return True

    async def drop(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.values.pop(key, None)

    async def close(self) -> None:
        self.values.clear()


CLAIM = Claim(tenant="acme", id="a", fingerprint=b"one", source="0@1@2", submitted_at=1.0, model="m@1", tier="paid")
END = Move(tenant="acme", id="a", to="succeeded", attempt=1, source="0@7", at=5.0, result=b"r")

Step = tuple[str, dict[str, Any]]
NAMES = st.fixed_dictionaries({"tenant": st.sampled_from(["a", "a:b"]), "id": st.sampled_from(["c", "b:c"])})
BODIES = st.fixed_dictionaries({"source": st.sampled_from("xyz"), "fingerprint": st.sampled_from([b"one", b"two"])})
ENDS = st.fixed_dictionaries(
    {
        "source": st.sampled_from("pqr"),
        "to": st.sampled_from(["retrying", "failed", "succeeded"]),
        "attempt": st.sampled_from([1, 2]),
    }
)
STEPS: st.SearchStrategy[Any] = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.lists(st.tuples(NAMES, BODIES), min_size=1, max_size=4)),
        st.tuples(st.just("move"), st.lists(st.tuples(NAMES, ENDS), min_size=1, max_size=2)),
        st.tuples(st.just("cancel"), st.lists(st.tuples(NAMES, st.just({})), min_size=1, max_size=1)),
        st.tuples(st.just("get"), st.lists(st.tuples(NAMES, st.just({})), min_size=1, max_size=1)),
    ),
    max_size=14,
)


async def play(store: Any, steps: list[tuple[str, list[tuple[dict[str, Any], dict[str, Any]]]]]) -> list[Any]:
    told: list[Any] = []
    for verb, several in steps:
        if verb == "claim":
            told.append(await store.claim([replace(CLAIM, **name, **body) for name, body in several]))
        elif verb == "move":
            told.append(await store.move([replace(END, **name, **end) for name, end in several]))
        elif verb == "get":
            told += [await store.get(name["tenant"], name["id"]) for name, _ in several]
        else:
            told.append(await store.cancel([(name["tenant"], name["id"]) for name, _ in several], 3.0))
    return told


def compare(steps: Any, seed: int) -> None:
    chance = random.Random(seed)
    forgetful = RememberingJobs(MemoryJobs(), Forgetful(lambda: chance.random() < 0.2))

    async def both() -> tuple[list[Any], list[Any]]:
        return await play(forgetful, steps), await play(MemoryJobs(), steps)

    with_memory, without = asyncio.run(both())
    assert with_memory == without


@settings(max_examples=100, deadline=None)
@given(STEPS, st.integers(0, 99))
def test_it_says_what_the_store_alone_would_say_whatever_it_forgets(steps: Any, seed: int) -> None:
    compare(steps, seed)


@settings(max_examples=1000, deadline=None, phases=[Phase.generate], database=None)
@given(STEPS, st.integers(0, 99))
def hunt(steps: Any, seed: int) -> None:
    compare(steps, seed)


def without_tenant(_: RememberingJobs, key: tuple[str, str]) -> str:
    return "job:" + key[1]


def run_together(_: RememberingJobs, key: tuple[str, str]) -> str:
    return ":".join(key)


BUGS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "keys without the tenant": lambda patch: patch.setattr(RememberingJobs, "_name", without_tenant),
    "keys run together": lambda patch: patch.setattr(RememberingJobs, "_name", run_together),
    "states that may change are remembered": lambda patch: patch.setattr(
        remembering, "TERMINAL", frozenset({"queued", "retrying", "failed", "succeeded"})
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_the_comparison_sees(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[bug](monkeypatch)
    with pytest.raises(AssertionError):
        hunt()


async def test_a_job_that_ended_costs_a_read_once_and_then_nothing() -> None:
    store = CountedJobs()
    jobs = RememberingJobs(store, Forgetful())
    await jobs.claim([CLAIM])
    await jobs.move([END])
    for n in range(5):
        (same, conflict) = await jobs.claim(
            [replace(CLAIM, source=f"0@{n}@9"), replace(CLAIM, source=f"1@{n}@9", fingerprint=b"two")]
        )
        assert (same.answer, same.state, conflict.answer) == ("same", "succeeded", "conflict")
    assert (store.claims, store.reads) == (1, 1)


async def test_a_job_on_its_way_costs_a_read_and_no_conditional_write() -> None:
    store = CountedJobs()
    jobs = RememberingJobs(store, Forgetful())
    await jobs.claim([CLAIM])
    (first,) = await jobs.claim([replace(CLAIM, source="0@9@9")])
    await jobs.move([replace(END, to="retrying")])
    (second,) = await jobs.claim([replace(CLAIM, source="0@9@9")])
    assert [(one.answer, one.state, one.attempt) for one in (first, second)] == [("same", "queued", 1), ("same", "retrying", 2)]
    assert (store.claims, store.reads) == (1, 2)


async def test_the_record_that_claimed_goes_to_the_store_itself_until_its_job_ended() -> None:
    store = CountedJobs()
    jobs = RememberingJobs(store, Forgetful())
    await jobs.claim([CLAIM])
    assert [(one.answer, one.state) for one in await jobs.claim([CLAIM])] == [("replay", "queued")]
    assert store.claims == 2


async def test_jobs_that_are_found_and_that_are_not_are_counted() -> None:
    registry = CollectorRegistry()
    jobs = RememberingJobs(MemoryJobs(), Forgetful(), metrics=Metrics(registry))
    await jobs.claim([CLAIM, replace(CLAIM, id="b")])
    await jobs.claim([CLAIM, replace(CLAIM, id="c")])
    counts = {answer: registry.get_sample_value("darkroom_cache_total", {"answer": answer}) for answer in ("hit", "miss")}
    assert counts == {"hit": 1, "miss": 3}


async def test_another_stores_jobs_are_not_mistaken_for_this_ones() -> None:
    memory = Forgetful()
    await RememberingJobs(MemoryJobs(), memory, "one").claim([CLAIM])
    assert (await RememberingJobs(MemoryJobs(), memory, "two").claim([CLAIM]))[0].answer == "new"


async def test_what_another_version_wrote_is_a_miss() -> None:
    memory = Forgetful()
    jobs = RememberingJobs(MemoryJobs(), memory)
    await jobs.claim([CLAIM])
    memory.values = dict.fromkeys(memory.values, b"\x93nonsense")
    assert (await jobs.claim([replace(CLAIM, source="0@9@9")]))[0].answer == "same"


async def test_no_prompt_is_remembered_and_a_digest_is() -> None:
    memory = Forgetful()
    await RememberingJobs(MemoryJobs(), memory).claim([CLAIM])
    (value,) = memory.values.values()
    assert b"one" in value
    assert len(value) < 40


def test_a_password_in_the_url_is_refused_without_being_repeated() -> None:
    with pytest.raises(BadSetting, match="DARKROOM_CACHE_USER") as told:
        read_settings({"DARKROOM_CACHE_URL": "redis://me:sesame@127.0.0.1:6379/0"})
    assert "sesame" not in str(told.value)


def test_no_settings_object_shows_a_password() -> None:
    words = {"DARKROOM_CACHE_PASSWORD": "sesame-1", "DARKROOM_KAFKA_PASSWORD": "sesame-2", "DARKROOM_CACHE_URL": "redis://a:1/0"}
    assert "sesame" not in repr(read_settings(words))


async def test_of_many_who_ask_for_a_job_that_just_ended_one_reads_the_store() -> None:
    store = CountedJobs()
    jobs = RememberingJobs(store, Forgetful())
    await jobs.claim([CLAIM])
    await jobs.move([END])
    rows = await asyncio.gather(*(jobs.get("acme", "a") for _ in range(50)))
    assert {row and row.result for row in rows} == {b"r"}
    assert (await jobs.get("acme", "a")) == rows[0]
    assert store.reads == 1


async def test_a_reader_that_died_holds_nobody_up_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    store, memory = CountedJobs(), Forgetful()
    jobs = RememberingJobs(store, memory)
    await jobs.claim([CLAIM])
    await jobs.move([END])
    await memory.add("reads:job::4:acme:a", b"", 2.0)
    asking = asyncio.create_task(jobs.get("acme", "a"))
    await asyncio.sleep(0)
    assert not asking.done()
    memory.values.clear()  # the time of the lock is over
    row = await asking
    assert row is not None
    assert row.result == b"r"


async def test_a_job_that_has_not_ended_is_read_each_time() -> None:
    jobs = RememberingJobs(CountedJobs(), Forgetful())
    await jobs.claim([CLAIM])
    before = await jobs.get("acme", "a")
    await jobs.move([END])
    after = await jobs.get("acme", "a")
    assert (before and before.state, after and after.state) == ("queued", "succeeded")
