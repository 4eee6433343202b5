"""The models that an engine process holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from engines import Engine, OutOfMemory
from gpu_consumers.frames import Run

Load = Callable[[str, str, Mapping[str, Any]], Engine]
"""Engine name, model folder and options to an engine."""


class Taken(NamedTuple):
    """How an engine was found."""

    load_s: float
    """What loading its model took; 0: it was there."""
    cold: bool
    """Whether nothing of this size has run in it: the first such run chooses kernels and reserves memory."""
    model_bytes: int | None = None
    """What its model takes of the device; None: the device does not tell."""


class Shelf:
    """Loaded engines by model."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._engines: dict[str, Engine] = {}
        self._bytes: dict[str, int | None] = {}
        self._sizes: dict[str, set[tuple[Any, ...]]] = {}
        self.taken = Taken(0.0, cold=True)
        """Of the engine taken last."""

    @property
    def models(self) -> list[str]:
        """Models held now, the one used last first."""
        return list(reversed(self._engines))

    def take(self, order: Run) -> Engine:
        """The engine of a run, loaded if it is not there. If the device is full, the others are let go first."""
        engine, load_s = self._engines.pop(order.model, None), 0.0
        if engine is None:
            began = time.perf_counter()
            engine = self._loaded(order)
            load_s = time.perf_counter() - began
        self._engines[order.model] = engine
        self.taken = Taken(load_s, cold=self._new_size(order), model_bytes=self._bytes.get(order.model))
        return engine

    def _new_size(self, order: Run) -> bool:
        size = (len(order.tasks).bit_length(), *((one.width, one.height, one.frames) for one in order.tasks[:1]))
        known = self._sizes.setdefault(order.model, set())
        new = size not in known
        known.add(size)
        return new

    def _loaded(self, order: Run) -> Engine:
        try:
            return self._weighed(order)
        except OutOfMemory:
            if not self._engines:
                raise
        self.clear()
        return self._weighed(order)

    def _weighed(self, order: Run) -> Engine:
        before = max((memory.used for one in self._engines.values() if (memory := one.memory())), default=0)
        engine = self._load(order.engine, order.path, order.options)
        memory = engine.memory()
        self._bytes[order.model] = None if memory is None else max(0, memory.used - before)
        return engine

    def keep_only(self, model: str) -> bool:
        """Let all other models go. Whether there were any."""
        others = [one for one in self._engines if one != model]
        for one in others:
            self._engines.pop(one).close()
            self._sizes.pop(one, None)
        return bool(others)

    def clear(self) -> None:
        """Free the device."""
        self._sizes.clear()
        while self._engines:
            self._engines.popitem()[1].close()
