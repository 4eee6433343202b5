from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, os, signal
from streams import process

process.LEAVE_S = 0.2

async def serve(settings, leave):
    os.kill(os.getpid(), signal.SIGTERM)
    {body}

def read_settings():
    {settings}

process.main(serve, read_settings)
"""


def run(body: str = "await leave.wait()", settings: str = "return None") -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(body=body, settings=settings)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_a_process_told_to_leave_ends_well() -> None:
    assert run().returncode == 0


def test_a_process_that_does_not_come_to_an_end_says_where_it_hangs_and_is_ended() -> None:
    ended = run("await asyncio.get_running_loop().create_future()")
    assert ended.returncode == 70
    assert "serve:" in ended.stderr


def test_a_crash_is_told_apart() -> None:
    assert run("raise ZeroDivisionError").returncode == 1


def test_a_bad_setting_is_named_without_a_traceback() -> None:
    ended = run(settings="raise process.BadSetting('kafka.prefix: is no name')")
    assert (ended.returncode, ended.stderr) == (78, "kafka.prefix: is no name\n")
