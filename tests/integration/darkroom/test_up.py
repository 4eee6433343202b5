"""A running system: used by client, command line and bare Kafka, and shot at."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from PIL import Image

from darkroom import AsyncClient, Client, Conflict, Inputs, Job, JobFailed, new_id
from tests.integration.darkroom.conftest import ROOT, Up, command, program

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def noop(prompt: str = "a red circle", **inputs: Any) -> Job:
    return Job(id=new_id(), tenant="acme", task="text-to-image", model="noop", inputs=Inputs(prompt=prompt, **inputs))


def until(condition: Callable[[], Any], within: float = 120.0) -> Any:
    end = time.monotonic() + within
    while not (seen := condition()):
        assert time.monotonic() < end, "in vain"
        time.sleep(0.05)
    return seen


def test_a_job_runs_and_its_picture_is_saved(up: Up, tmp_path: Path) -> None:
    with Client(data=up.data, tenant="acme") as client:
        job = client.submit("a red circle", model="noop", width=64, height=32, count=2)
        files = job.save(tmp_path / "circle.png", timeout=120)
        result = job.result()
        states = [one.state for one in job.status()]
    assert [file.name for file in files] == ["circle.png", "circle-2.png"]
    assert states[:2] == ["accepted", "queued"]
    assert states[-1] == "succeeded"
    assert (Path(up.note["objects"]) / result.outputs[0].key).read_bytes() == files[0].read_bytes()
    with Image.open(files[0]) as picture:
        assert picture.format == "PNG"


def test_a_job_of_an_earlier_process_is_found(up: Up) -> None:
    job = noop()
    with Client(data=up.data) as client:
        client.submit(job).result(120)
    with Client(data=up.data) as later:
        assert later.result(job.id, 30).state == "succeeded"
        assert [one.state for one in later.status(job.id)][-1] == "succeeded"


def test_the_same_job_sent_again_runs_once_also_after_its_end(up: Up) -> None:
    job = noop()
    with Client(data=up.data) as client:
        first = client.submit(job).result(120)
        assert client.submit(job).result(120) == first
    with Client(data=up.data) as later:
        assert later.submit(job).result(120) == first


def test_another_job_under_a_taken_id_is_a_conflict(up: Up) -> None:
    job = noop()
    other = Job(id=job.id, tenant="acme", task="text-to-image", model="noop", inputs=Inputs(prompt="a blue circle"))
    with Client(data=up.data) as client:
        first, second = client.submit_many([job, other])
        with pytest.raises(Conflict):
            second.result(120)
        assert first.result(120).state == "succeeded"


def test_an_invalid_job_fails_naming_the_field(up: Up) -> None:
    with Client(data=up.data, tenant="acme") as client, pytest.raises(JobFailed, match="width") as caught:
        client.submit("a red circle", model="noop", width=13).result(120)
    assert caught.value.state == "rejected"
    assert caught.value.result.error is not None


async def test_a_thousand_jobs_all_end(up: Up) -> None:
    async with AsyncClient(data=up.data) as client:
        handles = await client.submit_many(noop(seed=number) for number in range(1000))
        results = await asyncio.gather(*(handle.result(120) for handle in handles))
    assert {result.state for result in results} == {"succeeded"}


def test_any_kafka_library_will_do(up: Up) -> None:
    """No code of ours on this side: JSON in, JSON and a file out."""
    topics = up.note["topics"]
    job_id = str(uuid.uuid4())
    event = {"id": job_id, "tenant": "acme", "task": "text-to-image", "model": "noop", "inputs": {"prompt": "a red circle"}}
    sender = Producer({"bootstrap.servers": up.servers})
    sender.produce(topics["jobs"], key=job_id, value=json.dumps(event))
    assert sender.flush(30) == 0
    result = _read_result(up.servers, topics["results"], job_id)
    assert result["state"] == "succeeded"
    with Image.open(Path(up.note["objects"]) / result["outputs"][0]["key"]) as picture:
        assert picture.size > (0, 0)


def _read_result(servers: str, topic: str, id: str) -> dict[str, Any]:
    reader = Consumer(
        {"bootstrap.servers": servers, "group.id": "x", "isolation.level": "read_committed", "enable.auto.commit": False}
    )
    try:
        reader.assign([TopicPartition(topic, one, 0) for one in reader.list_topics(topic, 10).topics[topic].partitions])
        end = time.monotonic() + 120
        while (record := reader.poll(1)) is None or record.key() != id.encode():
            assert time.monotonic() < end, "no result"
        return dict(json.loads(record.value() or b""))
    finally:
        reader.close()


def test_submit_waits_saves_and_prints_json(up: Up, tmp_path: Path) -> None:
    out = tmp_path / "picture.png"
    done = command(
        "submit",
        "a red circle",
        "--tenant",
        "acme",
        "--model",
        "noop",
        "--priority",
        "paid",
        "--out",
        str(out),
        "--json",
        "--data",
        str(up.data),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "succeeded"
    assert out.exists()
    assert "running" in done.stderr or "queued" in done.stderr


def test_submit_of_a_failing_job_ends_with_status_1(up: Up) -> None:
    done = command("submit", "x", "--model", "noop", "--width", "13", "--wait", "--data", str(up.data))
    assert done.returncode == 1
    assert "width" in done.stdout


def sent(up: Up) -> int:
    """Records on `jobs`."""
    reader = Consumer({"bootstrap.servers": up.servers, "group.id": "x"})
    try:
        places = [TopicPartition("jobs", one) for one in reader.list_topics("jobs", 10).topics["jobs"].partitions]
        return sum(reader.get_watermark_offsets(place, 10)[1] for place in places)
    finally:
        reader.close()


def test_a_dry_run_tells_what_a_job_would_cost_and_sends_nothing(up: Up) -> None:
    with Client(data=up.data, tenant="acme") as client:
        for seed in range(12):
            client.submit(noop(seed=seed, width=72)).result(120)
    asked = ["submit", "x", "--model", "noop", "--width", "72", "--dry-run", "--data", str(up.data)]
    before = sent(up)

    def forecast() -> dict[str, Any]:
        done = command(*asked, "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    until(lambda: forecast()["price_runs"] >= 8)
    told = forecast()
    assert told["error"] is None
    assert told["batch_key"] == "noop@1/text-to-image/72x64x1"
    assert 0.002 <= told["price_s"] <= 0.1, "the engine sleeps for 2 ms; the table says 3.05"
    assert (told["workers"], told["position"]) == (1, 0)
    assert 0 < told["eta_low_s"] < told["eta_s"] < told["eta_high_s"] < 20  # bounds move with how earlier jobs fared
    assert "measured runs" in command(*asked).stdout
    assert sent(up) == before
    rows = [json.loads(line) for line in command("costs", "--json", "--data", str(up.data)).stdout.splitlines()]
    (row,) = [row for row in rows if row["key"] == told["batch_key"]]
    assert row["runs"] >= 8
    assert "8 at once" in command("costs", "--data", str(up.data)).stdout


WIDE = ["--task", "text-to-video", "--frames", "256", "--width", "4096", "--height", "4096", "--steps", "1000", "--count", "8"]


def without_figures(told: str) -> Any:
    error = json.loads(told)["error"]
    return {**error, "message": re.sub(r"\d+", "#", error["message"])}


@pytest.mark.parametrize(("options", "field"), [(["--width", "13"], "inputs.width"), (WIDE, "inputs")])
def test_a_dry_run_refuses_what_admission_refuses(up: Up, options: list[str], field: str) -> None:
    asked = ["submit", "x", "--model", "noop", *options, "--data", str(up.data)]
    dry, real = command(*asked, "--dry-run", "--json"), command(*asked, "--wait", "--json")
    assert (dry.returncode, real.returncode) == (1, 1)
    # Prices are learned, so the figures in the text may move between the two.
    assert without_figures(dry.stdout) == without_figures(real.stdout)
    assert json.loads(dry.stdout)["error"]["message"].startswith(f"{field}: ")


def test_watch_tells_a_job_from_its_beginning(up: Up) -> None:
    until(lambda: "default" in (queues := command_status(up)["queues"]) and queues["default"]["ordinary"]["eta_s"] is not None)
    sent = command("submit", "x", "--model", "noop", "--json", "--data", str(up.data))
    job_id = json.loads(sent.stdout)["id"]
    done = command("watch", job_id, "--json", "--data", str(up.data))
    states = [json.loads(line)["state"] for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert states[0] == "accepted"
    assert states[-1] == "succeeded"
    assert "queued: 0 in front, done in about" in command("watch", job_id, "--data", str(up.data)).stdout


def test_cancel_says_what_became_of_the_job(up: Up) -> None:
    late = command("submit", "x", "--model", "noop", "--wait", "--id", "done-already", "--data", str(up.data))
    assert late.returncode == 0
    done = command("cancel", "done-already", "--json", "--data", str(up.data))
    assert done.returncode == 1
    assert json.loads(done.stdout)["state"] == "succeeded"


def test_a_job_cancelled_before_it_comes_never_runs(up: Up) -> None:
    job = noop()
    with Client(data=up.data, tenant="acme") as client:
        client.cancel(job.id)
        until(lambda: command_status(up)["waiting"]["jobs"] == 0)
        result = client.submit(job).result(120, check=False)
    assert result.state == "cancelled"


def command_status(up: Up) -> dict[str, Any]:
    done = command("status", "--json", "--data", str(up.data))
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_status_shows_every_part(up: Up) -> None:
    with Client(data=up.data) as client:
        client.submit(noop()).result(120)
    facts = command_status(up)
    assert {one["name"] for one in facts["processes"]} == {"kafka", "streams", "settle", "worker-1"}
    assert all(one["ready"] for one in facts["processes"])
    assert len(facts["workers"]) == 1
    assert facts["jobs"]["succeeded"] > 0
    assert set(facts["waiting"]) >= {"jobs", "queue.default.paid", "batches.default", "outcomes"}
    assert set(facts["queues"]["default"]) == {"paid", "urgent", "ordinary"}
    assert "ready" in command("status", "--data", str(up.data)).stdout


def test_jobs_lists_the_newest_first(up: Up) -> None:
    for name in ("first", "second"):
        assert (
            command(
                "submit", "x", "--tenant", "lister", "--id", name, "--model", "noop", "--wait", "--data", str(up.data)
            ).returncode
            == 0
        )
    done = command("jobs", "--tenant", "lister", "--state", "succeeded", "--json", "--data", str(up.data))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["id"] for row in rows] == ["second", "first"]
    assert rows[0]["result"]["state"] == "succeeded"
    assert "lister" in command("jobs", "--tenant", "lister", "--data", str(up.data)).stdout


def test_a_dead_letter_can_be_listed_and_shown(up: Up) -> None:
    sender = Producer({"bootstrap.servers": up.servers})
    sender.produce("jobs", key="nonsense", value=b'{"id": "nonsense-1", "tenant": "acme", "oops": 1}')
    sender.flush(30)
    _read_result(up.servers, "results", "nonsense-1")
    listed = command("dead", "list", "--json", "--data", str(up.data))
    assert "nonsense-1" in [json.loads(line)["id"] for line in listed.stdout.splitlines()]
    shown = command("dead", "show", "nonsense-1", "--data", str(up.data))
    assert '"oops": 1' in json.loads(shown.stdout)["body"]
    assert command("dead", "show", "nobody", "--data", str(up.data)).returncode == 1


def test_a_second_up_on_the_same_folder_is_refused(up: Up) -> None:
    done = program("up", "--data", str(up.data))
    assert done.returncode == 1
    assert f"in use by process {up.process.pid}" in done.stderr
    assert up.note["pid"] == up.process.pid


@pytest.mark.parametrize("script", ["submit.py", "many.py", "bare_kafka.py"])
def test_the_examples_run(up: Up, tmp_path: Path, script: str) -> None:
    (tmp_path / ".darkroom").symlink_to(up.data)
    arguments = {
        "submit.py": ["a green star", str(tmp_path / "star.png"), "noop"],
        "many.py": ["5", "noop"],
        "bare_kafka.py": [up.servers, "a green star", "noop"],
    }[script]
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / script), *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "succeeded" in done.stdout


@pytest.mark.parametrize("name", ["worker-1", "streams", "settle", "kafka"])
def test_a_killed_part_is_started_again_and_jobs_finish(up: Up, name: str) -> None:
    old = up.pids[name]
    with Client(data=up.data) as client:
        handles = client.submit_many(noop(seed=number) for number in range(300))
        os.kill(old, signal.SIGKILL)
        new = until(lambda: (pid := up.pids.get(name)) != old and pid)
        assert {handle.result(120).state for handle in handles} == {"succeeded"}
    assert psutil.pid_exists(new)
    until(lambda: all(one["ready"] for one in command_status(up)["processes"]))
