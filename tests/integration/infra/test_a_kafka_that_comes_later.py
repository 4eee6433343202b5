"""Processes that start before their Kafka wait for it, say so seldom, and end at once when they are told to."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.topics import Topics
from darkroom.system.topics import create_topics
from infra.local.kafka import LocalKafka
from infra.local.ports import free_ports

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[3]
MODULES = ("streams.app", "streams.settle_app", "gpu_consumers.app")
WAITING = "no broker answers"
PROMPTLY_S = 5.0
"""How long the end of a process that waits may take, on a busy machine."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A process of ours and its log."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int

    @property
    def text(self) -> str:
        return self.log.read_text()

    def ready(self) -> bool:
        assert self.process.poll() is None, self.text
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False


@pytest.fixture
def broker(tmp_path: Path) -> LocalKafka:
    """A broker with our topics that is not running, at a port that it keeps."""
    kafka = LocalKafka(tmp_path / "kafka", *free_ports(1))
    with kafka:
        asyncio.run(create_topics(kafka.bootstrap, Topics()))
    return kafka


@contextmanager
def waiting(modules: Sequence[str], bootstrap: str, folder: Path) -> Iterator[list[Program]]:
    """Processes of ours that have found nobody there."""
    started = [start(module, bootstrap, folder) for module in modules]
    try:
        for one in started:
            until(lambda one=one: WAITING in one.text, f"{one.log.stem} says nothing")  # type: ignore[misc]
            assert not one.ready()
        yield started
    finally:
        for one in started:
            one.process.kill()
            one.process.wait()


def start(module: str, bootstrap: str, folder: Path) -> Program:
    (port,) = free_ports(1)
    ours = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "OBSERVE_HTTP_PORT": str(port), "WORKER_GRACE_S": "1"}
    env = {**os.environ, "PYTHONPATH": str(ROOT), **{f"DARKROOM_{name}": value for name, value in ours.items()}}
    log = folder / f"{module}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", module], cwd=folder, env=env, stdout=out, stderr=out)
    return Program(process=process, log=log, port=port)


def until(condition: Callable[[], bool], what: str, within: float = 120.0) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def told_to_leave(one: Program) -> int:
    one.process.send_signal(signal.SIGTERM)
    return one.process.wait(30)


def test_processes_wait_for_a_kafka_that_comes_later_and_then_work(broker: LocalKafka, tmp_path: Path) -> None:
    with waiting(MODULES, broker.bootstrap, tmp_path) as programs, broker:
        for one in programs:
            until(one.ready, f"{one.log.stem} is not ready: {one.text}")
        assert [one.text.count(WAITING) <= 2 for one in programs] == [True] * 3, "said too often"
        assert [told_to_leave(one) for one in programs] == [0, 0, 0]


def test_processes_that_wait_end_at_once_when_told_to(tmp_path: Path) -> None:
    with waiting(("streams.app", "gpu_consumers.app"), "127.0.0.1:1", tmp_path) as programs:
        began = time.monotonic()
        assert [told_to_leave(one) for one in programs] == [0, 0], [one.text for one in programs]
        assert time.monotonic() - began < len(programs) * PROMPTLY_S
    for one in programs:
        assert "Traceback" not in one.text
        assert "Unclosed" not in one.text
