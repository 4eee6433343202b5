import os
from pathlib import Path

import pytest

from darkroom import running
from darkroom.errors import NotRunning
from darkroom.place import find
from darkroom.running import Running


def note(data: Path, pid: int) -> Running:
    system = Running(
        pid=pid,
        started_at=1.0,
        bootstrap_servers="127.0.0.1:1234",
        prefix="p.",
        pools=["default"],
        topics={},
        objects="/objects",
        job_store="memory:",
        logs="/logs",
        processes=[],
    )
    running.write(data, system)
    return system


def test_what_the_caller_says_comes_first(tmp_path: Path) -> None:
    place = find("kafka:1", prefix="x.", data=tmp_path, env={"DARKROOM_KAFKA_BOOTSTRAP_SERVERS": "kafka:2"})
    assert (place.bootstrap_servers, place.topics.jobs) == ("kafka:1", "x.jobs")


def test_a_data_folder_tells_where_its_system_is(tmp_path: Path) -> None:
    note(tmp_path, os.getpid())
    place = find(data=tmp_path, env={"DARKROOM_KAFKA_BOOTSTRAP_SERVERS": "kafka:2"})
    assert (place.bootstrap_servers, place.topics.jobs) == ("127.0.0.1:1234", "p.jobs")


def test_the_environment_comes_before_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".darkroom").mkdir()
    note(tmp_path / ".darkroom", os.getpid())
    assert find(env={"DARKROOM_KAFKA_BOOTSTRAP_SERVERS": "kafka:2", "DARKROOM_KAFKA_PREFIX": "e."}).topics.jobs == "e.jobs"
    assert find(env={}).bootstrap_servers == "127.0.0.1:1234"


def test_a_system_that_has_ended_is_not_running(tmp_path: Path) -> None:
    note(tmp_path, 2**22 - 1)
    with pytest.raises(NotRunning, match="has ended"):
        find(data=tmp_path)


def test_where_nothing_runs_a_hint_tells_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotRunning, match="darkroom up"):
        find(env={})
    with pytest.raises(NotRunning, match="darkroom up"):
        find(data=tmp_path / "elsewhere")


def test_a_broken_note_is_no_traceback(tmp_path: Path) -> None:
    running.note(tmp_path).write_bytes(b"\xff{")
    with pytest.raises(NotRunning, match="cannot be read"):
        find(data=tmp_path)
