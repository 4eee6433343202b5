"""settle as a process: what it writes, who takes over, and what a dead or a sleeping one cannot do."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.codec import encode
from contracts.events import TERMINAL, Result, Status
from contracts.work import Outcome, QueuedJob
from infra.objects.folder import open_folder
from tests.support.eventually import eventually
from tests.support.ledger import once_each
from tests.support.outcomes import POISON, cancelled, failure, success
from tests.support.streams import Streams, streams

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture
async def system(bootstrap: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Streams]:
    async with streams(bootstrap, topic_prefix, tmp_path) as one:
        yield one


async def tell(system: Streams, outcomes: Iterable[Outcome]) -> None:
    await system.send(system.topics.outcomes, [(one.id, encode(one)) for one in outcomes])


async def read(system: Streams, topic: str, kind: type[Any]) -> list[Any]:
    return [msgspec.json.decode(one.value, type=kind) for one in await system.read(topic)]


async def ends(system: Streams) -> list[str]:
    """Id of each terminal status, as often as it was told."""
    return [one.id for one in await read(system, system.topics.status, Status) if one.state in TERMINAL]


async def test_every_kind_of_outcome_leads_to_what_it_should(system: Streams) -> None:
    await system.start("streams.settle_app")
    told = [
        success("a"),
        failure("b"),
        failure("c", error=POISON),
        cancelled("d"),
        success("a", key="a/2"),
        success("d", key="d/1"),
    ]
    await tell(system, told)
    await system.done_with(system.topics.outcomes, "settle", len(told))
    results = {one.id: one.state for one in await read(system, system.topics.results, Result)}
    assert results == {"a": "succeeded", "c": "failed", "d": "cancelled"}
    assert not once_each("acd", await ends(system))
    (again,) = await read(system, system.topics.queue("default", "ordinary"), QueuedJob)
    assert (again.id, again.attempt) == ("b", 2)
    assert len(await system.read(system.topics.dead)) == 1


async def test_the_objects_of_a_late_run_are_removed_and_the_winners_kept(system: Streams) -> None:
    objects = open_folder(system.settings.store.objects)
    keys = ["acme/a/1-x/0.png", "acme/a/1-y/0.png"]
    files = [objects.root / key for key in keys]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"a picture")
    await system.start("streams.settle_app")
    await tell(system, [success(key=keys[0]), success(key=keys[1]), success(key=keys[0])])
    await eventually(lambda: not files[1].exists())
    assert files[0].exists()


async def test_what_is_no_outcome_does_not_hold_up_the_rest(system: Streams) -> None:
    await system.start("streams.settle_app")
    await system.send(system.topics.outcomes, [("a", b"{nope"), ("a", encode(success("a"))), ("a", None)])
    await system.done_with(system.topics.outcomes, "settle", 3)
    assert [one.id for one in await read(system, system.topics.results, Result)] == ["a"]
    assert len(await system.read(system.topics.dead)) == 2


async def test_three_killed_processes_tell_every_job_once(system: Streams) -> None:
    ids = [f"{n}" for n in range(3000)]
    part = await system.start("streams.settle_app")
    for first in range(0, 3000, 750):
        fresh = ids[first : first + 750]
        await tell(system, [*map(success, fresh), *(success(one, key="zombie") for one in fresh[::3])])
        await _under_way(system, first + 300)
        if first < 2250:
            await part.kill()
            await part.start()
    await system.done_with(system.topics.outcomes, "settle", 4000)
    results = [one.id for one in await read(system, system.topics.results, Result)]
    assert not once_each(ids, results)
    assert not once_each(ids, await ends(system))


async def _under_way(system: Streams, count: int) -> None:
    """Wait until so many results are written, whether or not their transactions are finished."""

    async def written() -> bool:
        return len(await system.read(system.topics.results, committed_only=False)) >= count

    await eventually(written)


async def test_a_process_that_slept_through_its_replacement_tells_nothing_more(system: Streams) -> None:
    ids = [f"{n}" for n in range(400)]
    sleeper = await system.start("streams.settle_app")
    await tell(system, map(success, ids[:200]))
    await system.done_with(system.topics.outcomes, "settle", 200)
    assert sleeper.process
    sleeper.process.send_signal(signal.SIGSTOP)
    try:
        await tell(system, map(success, ids[200:]))
        await system.start("streams.settle_app")
        await system.done_with(system.topics.outcomes, "settle", 400)
    finally:
        sleeper.process.send_signal(signal.SIGCONT)
    await tell(system, (success(one, key="zombie") for one in ids))
    await system.done_with(system.topics.outcomes, "settle", 800)
    results = await read(system, system.topics.results, Result)
    assert not once_each(ids, [one.id for one in results])
    assert {one.outputs[0].key for one in results} == {"a/1"}
    assert not once_each(ids, await ends(system))


async def test_two_processes_share_the_partitions_and_one_takes_over_when_the_other_leaves(system: Streams) -> None:
    first, second = [await system.start("streams.settle_app") for _ in range(2)]
    ids = [f"{n}" for n in range(200)]
    await tell(system, map(success, ids[:100]))
    await system.done_with(system.topics.outcomes, "settle", 100)
    assert await first.end() == 0
    await tell(system, map(success, ids[100:]))
    await system.done_with(system.topics.outcomes, "settle", 200)
    assert await second.end() == 0
    counted = Counter(one.id for one in await read(system, system.topics.results, Result))
    assert not once_each(ids, counted.elements())


async def test_a_store_that_is_down_holds_outcomes_back_and_loses_none(system: Streams) -> None:
    file = system.folder / "jobs.db"
    file.write_bytes(b"this is no database" * 1000)
    part = await system.start("streams.settle_app")
    await tell(system, map(success, "abc"))
    await eventually(lambda: part.log.read_text().count("the job store is unavailable") >= 3, within=90)
    assert await system.read(system.topics.results) == []
    file.unlink()
    await system.done_with(system.topics.outcomes, "settle", 3)
    assert not once_each("abc", [one.id for one in await read(system, system.topics.results, Result)])
