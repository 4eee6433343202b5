"""An engine process whose jobs do harm: `python -m tests.support.harmful_child FD …`. The first word of a prompt says which.

No harm is done any more once the file that DARKROOM_TEST_CURED names is there.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from engines import EngineBroken, OutOfMemory, Poison, Request, registry
from engines.noop import NoopEngine, NoopOptions
from gpu_consumers import child

FITS = 3
"""Jobs that want `room` and fit at once."""
SMALL = 48
"""Pixels: a job that is `heavy` fits when no side is longer."""


def harm(requests: Sequence[Request]) -> None:
    """What these do together. A NoopEngine's hook."""
    if Path(os.environ.get("DARKROOM_TEST_CURED", "/nowhere")).exists():
        return
    by_word: dict[str, list[Request]] = {}
    for request in requests:
        by_word.setdefault(request.prompt.split()[0], []).append(request)
    if "segfault" in by_word:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "broken" in by_word:
        raise EngineBroken("a driver gave up")
    if "poison" in by_word:
        raise Poison(by_word["poison"][0].id, "not a number")
    if len(by_word.get("room", ())) > FITS:
        raise OutOfMemory(len(requests))
    if any(max(one.width, one.height) > SMALL for one in by_word.get("heavy", ())):
        raise OutOfMemory(len(requests))


def load(_model: str = "", *, harm_loading: str = "", **_: Any) -> NoopEngine:
    """As `engines.noop.load`; ends the process while the file is there that `harm_loading` names."""
    if harm_loading and Path(harm_loading).exists():
        os.kill(os.getpid(), signal.SIGSEGV)
    return NoopEngine(NoopOptions(base_s=0.1), hook=harm)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    harmful = {"noop": registry.Entry("tests.support.harmful_child", "load", "", ("numpy",))}
    with patch.object(registry, "ENGINES", harmful):
        child.main(*map(int, sys.argv[1:]))
