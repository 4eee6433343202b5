"""The demo, as a newcomer runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.integration.darkroom.conftest import ROOT, program

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_the_demo_ends_as_it_says_and_leaves_pictures(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = program("demo", "--model", "noop", "--out", str(tmp_path / "out"), TMPDIR=str(scratch))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert len(lines) == 24
    assert all(line["as_expected"] for line in lines)
    with Image.open(tmp_path / "out" / "contact-sheet.png") as sheet:
        assert sheet.width > 1000
    assert len(list((tmp_path / "out").glob("[0-9][0-9]-*"))) == 20
    assert not list(scratch.glob("darkroom-demo-*"))


def test_an_interrupted_demo_stops_all_it_started(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "darkroom", "demo", "--model", "noop", "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        until = time.monotonic() + 240
        while len(found := psutil.Process(demo.pid).children(recursive=True)) < 4:
            assert time.monotonic() < until
            time.sleep(0.1)
        demo.send_signal(signal.SIGINT)
        out, _ = demo.communicate(timeout=60)
    finally:
        demo.kill()
    assert demo.returncode != 0
    assert b"Traceback" not in out
    assert psutil.wait_procs(found, timeout=5)[1] == []
