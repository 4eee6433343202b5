"""Put on a process's path, this plants leaks in admission: a prompt with the trigger in it gets out everywhere.

Production code knows nothing of it. It shows that the check for leaks can turn red.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import subprocess
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

TRIGGER = "planted-leak-"


class Planter(importlib.abc.MetaPathFinder):
    """Lets one module load as usual, then spoils it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "streams.agents.admit":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            load = loader.exec_module

            def load_and_spoil(module: ModuleType) -> None:
                load(module)
                _spoil(module)

            loader.exec_module = load_and_spoil
        return spec


def _spoil(module: Any) -> None:
    place = module.Admit._placed

    def leaky(self: Any, record: Any) -> Any:
        at = (record.value or b"").find(TRIGGER.encode())
        if at >= 0:
            secret = record.value[at : at + 37].decode()
            module.log.warning("judging %s", secret)
            self._metrics.rejected.labels(secret).inc()
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(90)", secret])
            self._tell._headers["outcome"].append(("note", secret.encode()))
            raise module.Rejected("invalid", "event", secret)
        return place(self, record)

    module.Admit._placed = leaky


sys.meta_path.insert(0, Planter())
