"""The whole path with an engine that jobs can end, fill or confuse: what becomes of them, and of those beside them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.events import Dead, Result, Status
from contracts.work import Batch
from darkroom.cli.root import run
from infra.settings import Kafka
from tests.support.bad_jobs import good
from tests.support.eventually import eventually
from tests.support.ledger import once_each
from tests.support.streams import Streams, streams

pytestmark = [pytest.mark.integration, pytest.mark.timeout(480)]
PATIENCE = 200.0
"""Seconds: an engine process that starts imports a lot, and some tests end a dozen."""
WORKER = "tests.support.harmful_worker"


@pytest.fixture
async def system(bootstrap: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Streams]:
    monkeypatch.setenv("DARKROOM_TEST_CURED", str(tmp_path / "cured"))
    async with streams(bootstrap, topic_prefix, tmp_path, session_s=6.0) as one:
        yield one


async def send(system: Streams, jobs: dict[str, str], **changes: Any) -> None:
    """Jobs by id, with what they do."""
    made = {id: good(id, inputs={"prompt": f"{word} secret", "seed": 7}, **changes) for id, word in jobs.items()}
    await system.send(system.topics.jobs, [(id, json.dumps(job).encode()) for id, job in made.items()])


async def read(system: Streams, topic: str, kind: type[Any]) -> list[Any]:
    return [msgspec.json.decode(one.value, type=kind) for one in await system.read(topic) if one.value is not None]


async def states(system: Streams) -> Counter[str]:
    return Counter(one.state for one in await read(system, system.topics.status, Status))


async def queued(system: Streams, count: int) -> None:
    """Wait until so many jobs wait for a worker: the first batch then is all of them."""

    async def all_there() -> bool:
        return (await states(system))["queued"] >= count

    await eventually(all_there, within=PATIENCE, what=f"{count} jobs queued")


async def retrying(system: Streams, attempt: int) -> None:
    async def told() -> bool:
        return any(one.state == "retrying" and one.attempt >= attempt for one in await read(system, system.topics.status, Status))

    await eventually(told, within=PATIENCE, what=f"attempt {attempt} of a job")


async def results(system: Streams, count: int) -> dict[str, Result]:
    async def there() -> list[Result]:
        found = await read(system, system.topics.results, Result)
        return found if len(found) >= count else []

    found = await eventually(there, within=PATIENCE, what=f"{count} results")
    assert not once_each([one.id for one in found], [one.id for one in found])
    return {one.id: one for one in found}


async def darkroom(system: Streams, *arguments: str) -> tuple[int, list[Any], str]:
    """Exit status, JSON documents printed, and what was said on stderr."""
    kafka: Kafka = system.settings.kafka
    where = ["--kafka", kafka.bootstrap_servers, "--prefix", kafka.prefix]

    def command() -> tuple[int, list[Any], str]:
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            status = run([*arguments, *where])
        return status, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()

    return await asyncio.to_thread(command)


async def test_the_neighbours_of_jobs_that_end_the_engine_succeed_whatever_is_killed_meanwhile(system: Streams) -> None:
    jobs = {f"job-{n}": "harmless" for n in range(8)} | {"job-1": "segfault", "job-6": "broken"}
    scheduler, settler = await system.start("streams.app"), await system.start("streams.settle_app")
    await send(system, jobs)
    await queued(system, len(jobs))
    worker = await system.start(WORKER)
    await retrying(system, 2)
    await scheduler.kill()
    await scheduler.start()
    await retrying(system, 3)
    await worker.kill()
    await worker.start()
    await retrying(system, 4)
    await settler.kill()
    await settler.start()
    ended = await results(system, len(jobs))
    assert {id for id, one in ended.items() if one.state != "succeeded"} == {"job-1", "job-6"}
    letters = {one.id: one for one in await read(system, system.topics.dead, Dead)}
    assert {id: one.cause.code for id, one in letters.items()} == {"job-1": "engine_crashed", "job-6": "engine_broken"}
    for letter in letters.values():
        sizes = [one.size for one in letter.attempts]
        assert [one.size for one in letter.attempts if one.counted] == [1, 1, 1, 1]
        assert (sizes[0], len(sizes) <= 7) == (8, True)
        assert [one.number for one in letter.attempts] == list(range(1, len(sizes) + 1))
    batches = await read(system, system.topics.batches("default"), Batch)
    runs = Counter(job.id for one in batches for job in one.jobs)
    assert all(count <= 4 for id, count in runs.items() if id not in letters), "more runs than halvings"


async def test_a_batch_that_did_not_fit_makes_the_next_ones_smaller_and_fails_nobody(system: Streams) -> None:
    first, second = ({f"{name}-{n}": "room" for n in range(8)} for name in ("first", "second"))
    await system.start("streams.app")
    await system.start("streams.settle_app")
    await send(system, first)
    await queued(system, 8)
    await system.start(WORKER)
    await results(system, 8)
    await send(system, second)
    ended = await results(system, 16)
    assert {one.state for one in ended.values()} == {"succeeded"}
    sizes = {id: one.batch.size for id, one in ended.items() if one.batch}
    assert {sizes[id] for id in first} == {8}
    assert {sizes[id] for id in second} <= {1, 2}


async def test_a_job_too_large_for_the_device_is_made_smaller_if_it_may_be_and_given_up_if_not(system: Streams) -> None:
    await system.start("streams.app")
    await system.start("streams.settle_app")
    await system.start(WORKER)
    await send(system, {"may": "heavy"}, degrade="allowed")
    await send(system, {"may-not": "heavy"})
    await send(system, {"paid": "heavy"}, degrade="allowed", priority="paid")
    ended = await results(system, 3)
    assert {id: (one.state, one.degraded) for id, one in ended.items()} == {
        "may": ("succeeded", ["width", "height"]),
        "may-not": ("failed", []),
        "paid": ("failed", []),
    }
    told = [one.state for one in await read(system, system.topics.status, Status) if one.id == "may"]
    assert [one for one in told if one != "running"] == ["accepted", "queued", "retrying", "retrying", "degraded", "succeeded"]
    letters = {one.id: one for one in await read(system, system.topics.dead, Dead)}
    assert letters.keys() == {"may-not", "paid"}
    assert [one.code for one in letters["paid"].attempts] == ["out_of_memory"] * 4


async def test_dead_letters_are_listed_shown_replayed_and_dropped(system: Streams) -> None:
    await system.start("streams.app")
    await system.start("streams.settle_app")
    await system.start(WORKER)
    await send(system, {"sick": "poison", "hopeless": "poison"})
    await system.send(system.topics.jobs, [("odd", b'{"id": "odd", "tenant": "acme", "oops": 1}')])
    await results(system, 3)
    _, listed, _ = await darkroom(system, "dead", "list", "--json")
    assert {one["id"] for one in listed} == {"sick", "hopeless", "odd"}
    (letter,) = (await darkroom(system, "dead", "show", "sick"))[1]
    assert letter["cause"]["code"] == "poison"
    assert (letter["repro"]["seed"], letter["repro"]["model"]) == (7, "noop@1")
    assert letter["versions"].keys() >= {"darkroom", "model", "engine", "python", "numpy"}
    (attempt,) = letter["attempts"]
    assert attempt["ended_at"] >= attempt["started_at"] > 0
    assert "secret" in letter["body"]
    assert "secret" not in json.dumps({name: value for name, value in letter.items() if name != "body"})
    for record in await system.read(system.topics.dead):
        assert b"secret" not in b"".join(value for _, value in record.headers)

    (system.folder / "cured").touch()
    status, replayed, _ = await darkroom(system, "dead", "replay", "sick", "--json")
    assert status == 0
    again = (await results(system, 4))[replayed[0]["id"]]
    assert (again.state, again.outputs[0].seed) == ("succeeded", 7)
    status, _, said = await darkroom(system, "dead", "replay", "sick")
    assert (status, said) == (1, f"darkroom: sick was replayed as {again.id} before.\n")

    assert (await darkroom(system, "dead", "drop", "hopeless", "odd", "--json"))[0] == 0
    assert (await darkroom(system, "dead", "list", "--json"))[1] == []
    kept = {one["id"]: one.get("handled") for one in (await darkroom(system, "dead", "list", "--all", "--json"))[1]}
    assert kept == {"sick": f"replayed as {again.id}", "hopeless": "dropped", "odd": "dropped"}
    status, _, said = await darkroom(system, "dead", "drop", "nobody")
    assert (status, said) == (1, "darkroom: No dead letter of nobody.\n")
    status, _, said = await darkroom(system, "dead", "replay", "odd")
    assert (status, said) == (1, "darkroom: odd was dropped before.\n")
