import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from infra.local.claim import Claim
from infra.local.errors import DataDirInUseError

HOLDER = """
import os, subprocess, sys, time
from pathlib import Path
from infra.local.claim import Claim
claim = Claim(Path(sys.argv[1]), "pids.json")
part = subprocess.Popen(["sleep", "60"], pass_fds=(claim.fd,), stdout=subprocess.DEVNULL)
claim.record([part.pid])
print(part.pid, flush=True)
if sys.argv[2] == "die":
    os.kill(os.getpid(), 9)
time.sleep(60)
"""


def hold(folder: Path, then: str) -> tuple[subprocess.Popen[bytes], psutil.Process]:
    """A process that runs a system on the folder, and the one part of it."""
    owner = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder), then], stdout=subprocess.PIPE)
    assert owner.stdout
    part = psutil.Process(int(owner.stdout.readline()))
    owner.stdout.close()
    if then == "die":
        owner.wait()
    return owner, part


def test_a_folder_in_use_is_refused_naming_the_process(tmp_path: Path) -> None:
    owner, part = hold(tmp_path, "live")
    try:
        with pytest.raises(DataDirInUseError, match=f"process {owner.pid}"):
            Claim(tmp_path, "pids.json")
        assert part.is_running()
    finally:
        owner.kill()
        part.kill()
        owner.wait()


def test_a_folder_given_back_can_be_taken_again(tmp_path: Path) -> None:
    Claim(tmp_path, "pids.json").release()
    Claim(tmp_path, "pids.json").release()


def test_orphans_of_a_killed_system_are_ended(tmp_path: Path) -> None:
    _, part = hold(tmp_path, "die")
    assert part.is_running()
    Claim(tmp_path, "pids.json").release()
    psutil.wait_procs([part], timeout=5)
    assert not part.is_running() or part.status() == psutil.STATUS_ZOMBIE


def test_a_stranger_with_a_reused_process_id_is_left_alone(tmp_path: Path) -> None:
    _, part = hold(tmp_path, "die")
    note = json.loads((tmp_path / "pids.json").read_text())
    note["parts"] = [[part.pid, part.create_time() - 100]]
    (tmp_path / "pids.json").write_text(json.dumps(note))
    try:
        with pytest.raises(DataDirInUseError):
            Claim(tmp_path, "pids.json")
        assert part.is_running()
    finally:
        part.kill()
