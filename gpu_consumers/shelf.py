"""The models that an engine process holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engines import Engine, OutOfMemory
from gpu_consumers.frames import Run

Load = Callable[[str, str, Mapping[str, Any]], Engine]
"""Engine name, model folder and options to an engine."""


class Shelf:
    """Loaded engines by model."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._engines: dict[str, Engine] = {}

    @property
    def models(self) -> list[str]:
        """Models held now, the one used last first."""
        return list(reversed(self._engines))

    def take(self, order: Run) -> Engine:
        """The engine of a run, loaded if it is not there. If the device is full, the others are let go first."""
        engine = self._engines.pop(order.model, None)
        if engine is None:
            engine = self._loaded(order)
        self._engines[order.model] = engine
        return engine

    def _loaded(self, order: Run) -> Engine:
        try:
            return self._load(order.engine, order.path, order.options)
        except OutOfMemory:
            if not self._engines:
                raise
        self.clear()
        return self._load(order.engine, order.path, order.options)

    def clear(self) -> None:
        """Free the device."""
        while self._engines:
            self._engines.popitem()[1].close()
