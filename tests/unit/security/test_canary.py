"""The check for leaked words, on every kind of place with a leak planted there."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.topics import Topics
from infra.settings import read_settings, to_env
from tests.support.canary import files, leaks, processes, records, secret_fields, spellings

WORD = "canary-0123456789abcdef"


def record(key: bytes = b"", value: bytes = b"{}", headers: Iterable[tuple[str, bytes]] = ()) -> Any:
    return SimpleNamespace(key=key, value=value, headers=list(headers))


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(3))
def test_a_word_is_found_in_base64_wherever_it_stands(before: int, after: int) -> None:
    text = base64.b64encode(b"y" * before + WORD.encode() + b"z" * after)
    assert leaks([("x", text)], [WORD]) == ["x: canary-01234"]


def test_a_word_is_found_in_hexadecimal_and_nothing_is_found_in_nothing() -> None:
    assert leaks([("x", WORD.encode().hex().encode())], [WORD])
    assert leaks([("x", b"canary-0123456789abcdeg")], [WORD]) == []
    assert min(map(len, spellings(WORD))) > 20


def test_a_word_in_a_file_is_found_but_not_in_kafkas_data(tmp_path: Path) -> None:
    for name in ("logs/streams.log", "jobs.db", "up.json", "objects/t/1.png", "kafka/data/jobs-0/0.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"…{WORD}…")
    places = {one.rpartition(":")[0] for one in leaks(files(tmp_path), [WORD])}
    assert places == {"file logs/streams.log", "file jobs.db", "file up.json", "file objects/t/1.png"}


def test_a_word_in_the_arguments_of_a_process_is_found() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()", WORD], stdin=subprocess.PIPE) as child:
        assert leaks(processes(child.pid), [WORD])
        child.communicate(b"\n")


@pytest.mark.parametrize(
    ("topic", "leaky", "found"),
    [
        ("results", {"value": WORD.encode()}, ["value on results: canary-01234"]),
        ("status", {"value": WORD.encode()}, ["value on status: canary-01234"]),
        ("jobs", {"value": WORD.encode()}, []),
        ("queue.default.paid", {"value": WORD.encode()}, []),
        ("queue.default.paid", {"headers": [("x", WORD.encode())]}, ["headers on queue.default.paid: canary-01234"]),
        ("jobs.dead", {"value": b'{"body":"%s"}' % WORD.encode()}, []),
        ("jobs.dead", {"value": b'{"body":"","cause":{"message":"%s"}}' % WORD.encode()}, ["value on jobs.dead: canary-01234"]),
        ("jobs.dead", {"value": b'{"body":""}', "key": WORD.encode()}, ["key on jobs.dead: canary-01234"]),
    ],
)
def test_a_word_in_a_record_is_found_where_no_job_lies(topic: str, leaky: dict[str, Any], found: list[str]) -> None:
    assert leaks(records(Topics(), {topic: [record(**leaky)]}), [WORD]) == found


def test_no_secret_setting_is_in_the_text_of_the_settings() -> None:
    fields = secret_fields()
    assert fields
    env = {f"DARKROOM_{name.replace('.', '_')}".upper(): f"{WORD}-{name}" for name in fields}
    settings = read_settings(env)
    assert leaks([("repr", repr(settings).encode()), ("str", str(settings).encode())], [WORD]) == []
    assert sum(WORD in value for value in to_env(settings).values()) == len(fields), "children get them by their environment"
