"""Settings that cannot work end every process with one line that names them, and a status that says: do not try again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from darkroom import running
from darkroom.cli.root import run
from darkroom.running import Running

ROOT = Path(__file__).parents[3]
SECRET = "sesame"  # noqa: S105 - what somebody may have put into a URL

PROCESSES: Mapping[tuple[str, str, str], str] = {
    ("streams.app", "DARKROOM_STORE_JOBS", "postgres://sesame@host/db"): "store.jobs: ",
    ("streams.settle_app", "DARKROOM_STORE_OBJECTS", "s3://key:sesame@bucket"): "store.objects: ",
    ("gpu_consumers.app", "DARKROOM_STORE_OBJECTS", "s3://bucket/x"): "store.objects: S3 needs an extra: ",
}
"""Program, setting and value, to how the line begins. No broker answers any of them: none is needed to know."""


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder on Python's path that hides the libraries of extras, as if they were not installed."""
    folder = tmp_path / "hidden"
    folder.mkdir()
    for name in ("cassandra", "boto3"):
        (folder / f"{name}.py").write_text(f"raise ModuleNotFoundError(name={name!r})\n")
    return folder


def start(module: str, env: Mapping[str, str], bare: Path) -> subprocess.Popen[str]:
    there = {"PYTHONPATH": f"{bare}{os.pathsep}{ROOT}", "DARKROOM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    env = {**os.environ, **there, **env}
    return subprocess.Popen([sys.executable, "-m", module], cwd=bare, env=env, text=True, stderr=subprocess.PIPE)


def test_each_process_ends_with_one_line_and_the_status_of_bad_settings(bare: Path) -> None:
    ends = {one: start(one[0], {one[1]: one[2]}, bare) for one in PROCESSES}
    try:
        for one, process in ends.items():
            said = process.communicate(timeout=120)[1]
            assert process.returncode == 78, (one, said)
            assert said.startswith(PROCESSES[one]), one
            assert len(said.splitlines()) == 1, said
            assert SECRET not in said
    finally:
        for process in ends.values():
            process.kill()
            process.communicate()


def system(job_store: str) -> Running:
    return Running(
        pid=os.getpid(),
        started_at=1.0,
        bootstrap_servers="127.0.0.1:1",
        prefix="",
        pools=[],
        topics={},
        objects="",
        job_store=job_store,
        logs="",
        processes=[],
    )


@pytest.mark.parametrize(
    ("arguments", "setting", "value"),
    [
        (["jobs"], "STORE_JOBS", "postgres://sesame@host/db"),
        (["jobs"], "KAFKA_PARTITIONS", "many"),
        (["url", "id"], "STORE_JOBS", "cassandra://sesame@host/ks"),
        (["bucket", "tidy"], "STORE_OBJECTS", "s3://key:sesame@bucket"),
        (["bucket", "setup"], "STORE_OBJECTS", "s3://[sesame"),
        (["schema", "status"], "STORE_JOBS", "cassandra://sesame@host/ks"),
    ],
)
def test_a_command_says_it_in_its_usual_way(
    arguments: list[str],
    setting: str,
    value: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"DARKROOM_{setting}", value)
    status = run(arguments)
    said = capsys.readouterr().err
    assert (status, len(said.splitlines())) == (1, 1)
    assert said.startswith("darkroom: ")
    assert setting.lower().replace("_", ".", 1) in said
    assert SECRET not in said


def test_a_job_store_that_the_note_names_is_opened_with_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("cassandra", reason="needs the extra: cassandra")
    running.write(tmp_path, system("cassandra://host/ks"))
    monkeypatch.setenv("DARKROOM_CASSANDRA_CA_FILE", str(tmp_path / "nowhere.pem"))
    assert run(["jobs", "--data", str(tmp_path)]) == 1
    assert "cassandra.ca_file" in capsys.readouterr().err
