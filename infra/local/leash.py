"""Becomes another program, one that is told to end when its parent dies: `leash.py PARENT_PID SIGNAL program args…`.

A program of its own, run before the exec, because code between fork and exec deadlocks in a process with threads.
Linux binds the death signal to the parent's *thread*: the parent must start this from one that outlives it.
"""

from __future__ import annotations

import os
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def _bind(parent: int, death_signal: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit("the parent died first")


if __name__ == "__main__":
    if sys.platform == "linux":
        _bind(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606 - becoming the program named is the purpose
