import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.cli.root import VERBS, run


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    assert "Usage: darkroom" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["submit"],
        ["submit", "x", "--width", "wide"],
        ["submit", "x", "--priority", "vip"],
        ["submit", "x", "y"],
        ["jobs", "--limit", "0"],
        ["jobs", "--state", "lost"],
        ["up", "--workers", "0"],
        ["up", "--kafka-port", "70000"],
        ["up", "--models", "/no/such/file"],
        ["cancel"],
        ["dead", "bury"],
        ["url"],
        ["bucket", "paint"],
        ["bucket", "setup", "--archive-days", "-1"],
    ],
)
def test_wrong_usage_is_one_plain_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert told.err.startswith("darkroom")


NEED_A_SYSTEM = "submit x,submit x --dry-run,watch,cancel x,jobs,status,costs,dead list,url x"


@pytest.mark.parametrize("arguments", [one.split() for one in NEED_A_SYSTEM.split(",")])
def test_without_a_system_one_line_says_so(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DARKROOM_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    assert run(arguments) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "darkroom up" in told


def test_a_job_that_would_be_refused_is_told_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["submit", "x", "--kafka", "127.0.0.1:1", "--id", "no spaces"]) == 1
    assert "id: must be" in capsys.readouterr().err


def test_a_kafka_that_does_not_answer_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["submit", "x", "--kafka", "127.0.0.1:1"]) == 1
    assert capsys.readouterr().err.splitlines() == ["darkroom: Kafka at 127.0.0.1:1 does not answer. Does `darkroom up` run?"]


def test_importing_the_client_loads_no_kafka() -> None:
    loaded = "import sys, darkroom; print(sorted({'aiokafka', 'msgspec', 'rich'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).strip() == "[]"
