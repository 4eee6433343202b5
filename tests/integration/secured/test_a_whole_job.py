"""A job through every part of a system whose Kafka wants to know who comes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from contracts.brokers import Brokers
from darkroom import Client
from tests.integration.darkroom.conftest import Up, program
from tests.support.secured_kafka import PASSWORD, SecuredKafka

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


def environment(brokers: Brokers, prefix: str) -> dict[str, str]:
    said = {f"DARKROOM_KAFKA_{name}".upper(): str(value) for name, value in asdict(brokers).items() if name != "servers"}
    return said | {"DARKROOM_KAFKA_PREFIX": f"{prefix}."}


@pytest.mark.parametrize("way", ["scram", "certificate"])
def test_a_job_travels_through_a_locked_kafka(
    locked: SecuredKafka, way: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brokers = locked.ways[way]
    env = environment(brokers, topic_prefix)
    up = Up(tmp_path / "data", "--kafka", brokers.servers, env=env)
    try:
        up.wait_ready()
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        with Client(data=up.data, tenant="acme") as client:
            assert client.submit("a red circle", model="noop").result(120).state == "succeeded"
        said = up.text + "".join(file.read_text() for file in (up.data / "logs").iterdir())
        assert PASSWORD not in said
        assert PASSWORD not in (up.data / "up.json").read_text()
        assert up.stop() == 0, up.text
    finally:
        up.kill()


def test_up_with_a_wrong_password_ends_with_one_plain_line(locked: SecuredKafka, topic_prefix: str, tmp_path: Path) -> None:
    env = environment(locked.ways["scram"], topic_prefix) | {"DARKROOM_KAFKA_PASSWORD": "sesame, close"}
    done = program("up", "--kafka", locked.ways["scram"].servers, "--data", str(tmp_path / "data"), cwd=tmp_path, **env)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("darkroom: Kafka at ")
    assert "kafka.password" in last
    assert "sesame" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["streams.app", "streams.settle_app", "gpu_consumers.app"])
def test_each_process_ends_with_a_status_that_says_bad_settings(
    locked: SecuredKafka, module: str, topic_prefix: str, tmp_path: Path
) -> None:
    env = environment(locked.ways["scram"], topic_prefix) | {"DARKROOM_KAFKA_PASSWORD": "sesame, close"}
    env["DARKROOM_KAFKA_BOOTSTRAP_SERVERS"] = locked.ways["scram"].servers
    env["PYTHONPATH"] = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=tmp_path,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1] == "kafka.user, kafka.password: one of them is wrong"
