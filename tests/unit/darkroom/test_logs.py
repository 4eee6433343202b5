from pathlib import Path

import pytest

from darkroom.system import logs
from infra.local.tail import tail


def test_a_large_log_is_set_aside_while_its_writer_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LARGEST", 10)
    log = tmp_path / "part.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"first lines\n")
        logs.cap(log)
        writer.write(b"later\n")
    assert log.read_bytes() == b"later\n"
    assert (tmp_path / "part.log.1").read_bytes() == b"first lines\n"


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("x\n")
    logs.cap(log)
    assert not (tmp_path / "part.log.1").exists()


def test_the_end_of_a_log_is_quoted(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("\n".join(f"line {number}" for number in range(5_000)))
    assert tail(log, 2) == "line 4998\nline 4999"


def test_a_log_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    assert "none" in tail(tmp_path / "missing.log")
