"""One whole system with words planted in its jobs and settings: good, bad and failing jobs, its log at DEBUG."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import psutil
import pytest

from contracts.events import Result
from contracts.publish import Publisher
from contracts.records import Record
from contracts.topics import Topics
from infra.settings import HERE
from loadtest.fuzz.run import fuzz, read
from loadtest.fuzz.system import lives
from tests.integration.darkroom.conftest import ROOT, Up, command
from tests.support.canary import files, leaks, pages, processes, records, secret_fields
from tests.support.eventually import eventually
from tests.support.leaks.sitecustomize import TRIGGER

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

WORD = f"canary-{secrets.token_hex(12)}"
SECRETS = {f"DARKROOM_{name.replace('.', '_')}".upper(): f"secret-{secrets.token_hex(12)}" for name in secret_fields()}
TOPICS = Topics()
SLOW = """
[[models]]
name = "slow"
version = "1"
engine = "noop"
tasks = ["text-to-image"]
width = 64
height = 64
min_side = 8
max_side = 64
multiple = 8
max_pixels = 4096
steps = 100
max_steps = 1000
guidance = 1.0
options = { base_s = 6.0 }
cost = { base_s = 6.0, per_row_step_s = 0.00001 }
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("secretive")
    catalog = folder / "models.toml"
    text = (HERE / "models.toml").read_text().replace("../engines", f"{HERE.parent}/engines")
    catalog.write_text(text.replace("batch_cap = 256", 'batch_cap = 256\noptions = { poison = "poisonous" }') + SLOW)
    env = SECRETS | {"DARKROOM_OBSERVE_LOG_LEVEL": "DEBUG", "PYTHONPATH": str(ROOT / "tests" / "support" / "leaks")}
    system = Up(folder / "data", "--models", str(catalog), env=env)
    try:
        yield system.wait_ready()
        assert system.stop() == 0, system.text
    finally:
        system.kill()


def event(id: str, *, inputs: Mapping[str, Any] | None = None, **changes: Any) -> bytes:
    wanted = {"prompt": f"a red circle {WORD}", "negative_prompt": WORD, "width": 64, "height": 64} | dict(inputs or {})
    job = {"id": id, "tenant": "acme", "task": "text-to-image", "model": "noop", "inputs": wanted}
    return json.dumps(job | {"metadata": {WORD: WORD}, "callback": f"https://u:{WORD}@h.example/{WORD}"} | changes).encode()


def from_picture(id: str, image: str) -> bytes:
    return event(id, task="image-to-image", inputs={"image": image})


GOOD = {
    "good": event("good"),
    "good-video": event("good-video", task="text-to-video"),
    "good-real": event("good-real", model="scenes", inputs={"width": 96, "height": 96, "steps": 1}),
    "crashing": event("crashing", model="slow"),
}
FAILING = {
    "poison": event("poison", inputs={"prompt": f"poisonous {WORD}"}),
    "picture-of-loopback": from_picture("picture-of-loopback", f"https://127.0.0.1/{WORD}?token={WORD}"),
    "picture-with-password": from_picture("picture-with-password", f"https://user:{WORD}@pictures.example/"),
    "picture-of-nowhere": from_picture("picture-of-nowhere", f"https://{WORD}.invalid/x.png"),
    "picture-of-anothers": from_picture("picture-of-anothers", f"other/{WORD}.png"),
    "picture-of-its-own": from_picture("picture-of-its-own", f"acme/{WORD}.png"),
}
BAD = {
    "unknown-field": event("unknown-field", inputs=None, **{WORD: WORD}),
    "unknown-input": event("unknown-input", inputs={WORD: WORD}),
    "unknown-model": event("unknown-model", model=WORD),
    "wrong-types": event("wrong-types", inputs={"width": WORD, "steps": [WORD]}),
    "wrong-task": event("wrong-task", task=WORD),
    "wrong-tier": event("wrong-tier", priority=WORD),
    "prompt-too-long": event("prompt-too-long", inputs={"prompt": WORD * 100_000}),
    "no-picture": from_picture("no-picture", f"../../{WORD}"),
    "bad-callback": event("bad-callback", callback=f"javascript:{WORD}"),
    "bad-metadata": event("bad-metadata", metadata={WORD: {WORD: 1}}),
    "expired": event("expired", ttl_s=1e-9),
}
SPOILT = [f'{{"{WORD}'.encode(), WORD.encode(), b"\xff" + WORD.encode(), event("half")[:-20], f'["{WORD}"]'.encode()]


async def send(servers: str, events: dict[str, bytes], *more: Record) -> None:
    # The key and the headers are the sender's own as well.
    headers = [("traceparent", WORD.encode()), (WORD, b"x"), ("ce_id", WORD.encode())]
    async with Publisher(servers) as publisher:
        await publisher.publish([Record(TOPICS.jobs, WORD.encode(), one, headers) for one in events.values()])
        await publisher.publish(more)


async def results(servers: str, ids: set[str]) -> dict[str, Result]:
    async def there() -> dict[str, Result] | None:
        found = [msgspec.json.decode(one.value, type=Result) for one in await read(servers, TOPICS, TOPICS.results)]
        told = {one.id: one for one in found}
        return told if ids <= told.keys() else None

    told = await eventually(there, within=240, what="a result for each job")
    assert told
    return told


async def everywhere(up: Up) -> list[tuple[str, bytes]]:
    """Every place where nothing of a job or a secret may be."""
    status = await asyncio.to_thread(command, "status", "--json", "--data", str(up.data))
    found = {spec.name: await read(up.servers, TOPICS, spec.name) for spec in TOPICS.specs() if spec.name != TOPICS.jobs}
    places = [("darkroom status --json", (status.stdout + status.stderr).encode()), ("output of up", up.text.encode())]
    return [*places, *processes(up.process.pid), *pages(up.note), *files(up.data), *records(TOPICS, found)]


async def kill_the_engine_in_the_run_of(up: Up, id: str) -> None:
    async def running() -> bool:
        return any(b'"running"' in one.value for one in await read(up.servers, TOPICS, TOPICS.status) if one.key == id.encode())

    await eventually(running, within=180, what=f"{id} runs")
    (engine,) = psutil.Process(up.pids["worker-1"]).children()
    os.kill(engine.pid, signal.SIGKILL)


async def test_nothing_of_a_job_and_no_secret_is_anywhere_it_should_not_be(up: Up) -> None:
    assert len(SECRETS) >= 1
    spoilt = [Record(TOPICS.jobs, None, one) for one in SPOILT]
    order = Record(TOPICS.control, b"x", json.dumps({"id": "x", "tenant": "acme", "action": WORD}).encode())
    await send(up.servers, GOOD | FAILING | BAD, *spoilt, order)
    await kill_the_engine_in_the_run_of(up, "crashing")
    told = await results(up.servers, set(GOOD | FAILING | BAD))
    assert {id: told[id].state for id in GOOD} == dict.fromkeys(GOOD, "succeeded")
    assert {told[id].state for id in FAILING} == {"failed"}
    assert {told[id].state for id in BAD} == {"rejected", "expired"}
    for id in FAILING:
        error = told[id].error
        assert error
        assert error.code == "poison" or error.message.startswith("inputs.image: "), id
    places = await everywhere(up)
    names = " ".join(name for name, _ in places)
    for place in (
        "worker-1/metrics",
        "settle/metrics",
        "logs/streams.log",
        "jobs.db",
        "up.json",
        "arguments",
        "headers on jobs.dead",
    ):
        assert place in names, place
    assert leaks(places, [WORD, *SECRETS.values()]) == []


async def test_a_planted_leak_is_found_in_every_kind_of_place(up: Up) -> None:
    """The same check on the same system, with a prompt that makes admission leak (`tests/support/leaks`)."""
    word = TRIGGER + secrets.token_hex(12)
    await send(up.servers, {"leaky": event("leaky", inputs={"prompt": word})})
    await results(up.servers, {"leaky"})
    found = {one.rpartition(":")[0] for one in leaks(await everywhere(up), [word])}
    for one in psutil.Process(up.process.pid).children(recursive=True):
        if word in " ".join(one.cmdline()):
            one.kill()
    plain = {one for one in found if not one.startswith("arguments of process")}
    assert plain >= {
        "file logs/streams.log", "streams/metrics", "headers on outcomes",
        "value on results", "value on status", "value on jobs.dead",
    }  # fmt: skip
    assert len(found) > len(plain), "the arguments of a process"


async def test_two_thousand_spoilt_events_crash_nothing_and_each_of_them_ends(up: Up) -> None:
    before, seed = lives(up.note), secrets.randbelow(2**31)
    verdict = await fuzz(up.note, seed=seed, count=2000, patience_s=300)
    assert verdict.problems == [], f"seed {seed}"
    assert verdict.records >= 2000
    assert lives(up.note) == before, f"a process died, seed {seed}"
