"""How a system ends and begins again: in order, in a hurry, by violence, or because it cannot go on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from darkroom import Client, Inputs, Job, new_id
from tests.integration.darkroom.conftest import Up, command, program

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def jobs(count: int) -> list[Job]:
    inputs = [Inputs(prompt="x", seed=number) for number in range(count)]
    return [Job(id=new_id(), tenant="acme", task="text-to-image", model="noop", inputs=one) for one in inputs]


def processes(up: Up) -> list[psutil.Process]:
    """Everything the system runs, engines included."""
    return psutil.Process(up.process.pid).children(recursive=True)


def all_gone(found: Iterable[psutil.Process], within: float) -> bool:
    return not psutil.wait_procs(list(found), timeout=within)[1]


def test_jobs_queued_when_a_system_is_stopped_finish_in_the_next_one(tmp_path: Path) -> None:
    sent = jobs(1500)
    first = Up(tmp_path / "data").wait_ready()
    try:
        with Client(data=first.data) as client:
            client.submit_many(sent)
        running = processes(first)
        assert first.stop() == 0, first.text
    finally:
        first.kill()
    assert all_gone(running, within=1)
    assert not (first.data / "up.json").exists()
    assert "Traceback" not in first.text
    second = Up(tmp_path / "data").wait_ready()
    try:
        with Client(data=second.data) as client:
            assert {client.result(job.id, 120, tenant="acme").state for job in sent[::100]} == {"succeeded"}
        rows = command("jobs", "--data", str(second.data), "--json", "--limit", "2000").stdout.splitlines()
        assert len(rows) == len(sent)
        assert second.stop() == 0, second.text
    finally:
        second.kill()


def test_nothing_outlives_a_system_that_was_killed_and_the_next_one_starts(tmp_path: Path) -> None:
    first = Up(tmp_path / "data").wait_ready()
    running = processes(first)
    first.kill()
    try:
        second = Up(tmp_path / "data").wait_ready()
        try:
            assert all_gone(running, within=1)
            with Client(data=second.data) as client:
                assert client.submit(jobs(1)[0]).result(120).state == "succeeded"
            assert second.stop() == 0, second.text
        finally:
            second.kill()
    finally:
        for orphan in psutil.wait_procs(running, timeout=0)[1]:
            orphan.kill()


def test_a_second_interrupt_does_not_wait_for_a_worker_that_hangs(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").wait_ready()
    try:
        running = processes(up)
        os.kill(up.pids["worker-1"], signal.SIGSTOP)
        up.process.send_signal(signal.SIGINT)
        end = time.monotonic() + 30
        while "once more to hurry" not in up.text:
            assert time.monotonic() < end
            time.sleep(0.05)
        up.process.send_signal(signal.SIGINT)
        assert up.end(within=15) == 0
        assert all_gone(running, within=5)
    finally:
        up.kill()


def test_a_part_that_keeps_dying_stops_the_whole_and_its_log_is_quoted(tmp_path: Path, bootstrap: str, topic_prefix: str) -> None:
    # No address of this machine: nothing can listen there.
    done = program(
        "up",
        "--data",
        str(tmp_path / "data"),
        "--kafka",
        bootstrap,
        DARKROOM_KAFKA_PREFIX=f"{topic_prefix}.",
        DARKROOM_OBSERVE_HTTP_HOST="192.0.2.1",
    )
    assert done.returncode == 1
    assert "again and again" in done.stderr
    assert "192.0.2.1" in done.stderr
    assert not (tmp_path / "data" / "up.json").exists()


def test_a_part_that_cannot_work_with_its_settings_stops_the_whole_at_once(
    tmp_path: Path, bootstrap: str, topic_prefix: str
) -> None:
    catalog = tmp_path / "models.toml"
    catalog.write_text("[defaults]\n[[models]]\n")
    done = program(
        "up",
        "--data",
        str(tmp_path / "data"),
        "--kafka",
        bootstrap,
        "--models",
        str(catalog),
        DARKROOM_KAFKA_PREFIX=f"{topic_prefix}.",
    )
    assert done.returncode == 1
    assert "cannot work with these settings: models.catalog: " in done.stderr.splitlines()[-1]
    assert "models.toml" in done.stderr
    assert "starting it again" not in done.stderr


def test_a_kafka_that_does_not_answer_is_told_in_one_line(tmp_path: Path) -> None:
    done = program("up", "--data", str(tmp_path / "data"), "--kafka", "127.0.0.1:1")
    assert done.returncode == 1
    assert "darkroom: Kafka at 127.0.0.1:1 does not answer." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path, bootstrap: str) -> None:
    port = bootstrap.rpartition(":")[2]
    done = program("up", "--data", str(tmp_path / "data"), "--kafka-port", port)
    assert done.returncode == 1
    assert f"Port {port} is in use" in done.stderr
    assert "Traceback" not in done.stderr
