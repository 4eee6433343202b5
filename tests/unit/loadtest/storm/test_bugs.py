"""Planted bugs are no letter of the past: every name they replace is still there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from loadtest.storm.bugs import BUGS
from loadtest.storm.history import History
from loadtest.storm.oracle import judge

ROOT = Path(__file__).parents[4]

PLANT_ALL = """
import sys
from loadtest.storm.bugs import BUGS
for name, bug in BUGS.items():
    bug.plant()
    print(name)
"""


def test_every_bug_can_be_planted() -> None:
    done = subprocess.run([sys.executable, "-c", PLANT_ALL], capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
    assert done.stdout.split() == list(BUGS), done.stderr


def test_there_are_enough_of_them_and_each_names_the_invariant_that_must_notice() -> None:
    assert len(BUGS) >= 12
    assert {bug.breaks for bug in BUGS.values()} <= {one.invariant for one in judge(History())}


def test_production_knows_nothing_of_them() -> None:
    rooms = ("contracts", "darkroom", "engines", "gpu_consumers", "infra", "streams")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py")]
    assert len(files) > 100
    assert [str(file) for file in files if "loadtest" in file.read_text() and "_OURS" not in file.read_text()] == []
