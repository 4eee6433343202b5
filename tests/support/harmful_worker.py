"""A GPU consumer with an engine process that jobs can harm: `python -m tests.support.harmful_worker`."""

from __future__ import annotations

import sys
from unittest.mock import patch

import uvloop

from gpu_consumers import app
from gpu_consumers.engine import EngineProcess, Listener
from gpu_consumers.leak import Bounds
from infra.settings import read_settings


class HarmfulEngine(EngineProcess):
    """The same, but for the program."""

    def __init__(self, listener: Listener, *, hang_s: float, bounds: Bounds) -> None:
        super().__init__(listener, hang_s=hang_s, bounds=bounds, command=(sys.executable, "-m", "tests.support.harmful_child"))


if __name__ == "__main__":
    with patch.object(app, "EngineProcess", HarmfulEngine):  # the seam is here, not in what ships
        uvloop.run(app.main(read_settings()))
