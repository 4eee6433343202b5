"""An engine without a model: it waits as long as a table says and returns flat colours.

For plumbing: it keeps every rule of the interface, needs nothing but numpy, and costs a few µs a request.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np

from engines.base import EngineInfo, Failed, Finished, Memory, Picture, Shape, StepReport
from engines.errors import EngineFault, Incompatible, OutOfMemory, Poison
from engines.request import IMAGE_TO_IMAGE, IMAGE_TO_VIDEO, TEXT_TO_IMAGE, TEXT_TO_VIDEO, Request
from engines.roster import Roster, Seat

MIB = 1_048_576

Hook = Callable[[Sequence[Request]], None]
"""Called before each step with the requests in it; what it raises is what the step raises. Poison fails one request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoopOptions:
    """How long pretending takes. A whole run of n pictures takes base_s + n × picture_s, spread over its steps."""

    base_s: float = 0.002
    picture_s: float = 0.00005
    spread: float = 0.0
    """Sigma of a log-normal factor on a request's time, drawn from its seed; 0 is none."""
    full_size: bool = False
    """Pictures as large as asked for, instead of ``side`` pixels square: then encoding them is a job's main cost."""
    side: int = 8
    """Pixels."""
    poison: str = ""
    """A request with this in its prompt breaks every step it is in, and is named only when it is alone; empty: none does."""
    hiccup: float = 0.0
    """Chance that a step fails one of its requests in a way that another try may not."""
    leak_mb: int = 0
    """Memory that each finished request leaves behind (MiB)."""
    device_mb: int = 0
    """Memory of the device that it pretends to have (MiB); 0: it does not tell, and has no end of it."""
    model_mb: int = 0
    """What the model takes of it."""
    row_mb: int = 0
    """What each row takes while it runs: a picture."""


class NoopEngine:
    """Implements engines.base.Engine."""

    name = "noop"

    def __init__(
        self,
        options: NoopOptions | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        hook: Hook | None = None,
    ) -> None:
        self._options = options or NoopOptions()
        self._sleep = sleep
        self._clock = clock
        self._hook = hook
        self._roster = Roster(clock)
        self._costs: dict[str, tuple[float, float]] = {}
        self._leaked: list[bytes] = []
        self._peak_rows = 0

    @property
    def info(self) -> EngineInfo:
        tasks = (TEXT_TO_IMAGE, IMAGE_TO_IMAGE, TEXT_TO_VIDEO, IMAGE_TO_VIDEO)
        return EngineInfo(engine="noop", model="noop", version="1", device="none", precision="none", tasks=tasks)

    @property
    def active(self) -> int:
        return len(self._roster)

    def check(self, request: Request) -> None:
        """Everything goes."""

    def batch_key(self, request: Request) -> str:
        return f"noop/1/{request.task}/{request.width}x{request.height}/{request.frames}"

    def admit(self, requests: Sequence[Request]) -> None:
        if not requests:
            return
        shared = _shared(self._roster.any_request() or requests[0])
        for request in requests:
            if _shared(request) != shared:
                raise Incompatible("batch_key", "shares no forward pass with what runs now", request.id)
        self._roster.add([Seat(request, request.steps, request.count) for request in requests])

    def step(self) -> StepReport:
        start = self._clock()
        for seat in self._roster.join():
            self._costs[seat.request.id] = self._cost(seat)
        failed = self._run_hook()
        if not self._roster.size:
            return StepReport(failed=failed)
        self._take_room()
        self._sleep(_step_s([self._costs[seat.request.id] for seat in self._roster.seated]))
        progress, rows = self._roster.advance(), self._roster.rows
        step_s = self._clock() - start
        self._roster.charge(step_s, rows)
        finished = [self._finish(seat) for seat in self._roster.through()]
        return StepReport(progress=progress, finished=finished, failed=failed, rows=rows, step_s=step_s)

    def cancel(self, request_id: str) -> bool:
        self._costs.pop(request_id, None)
        return self._roster.leave(request_id) is not None

    def memory(self) -> Memory | None:
        """As pretended."""
        options = self._options
        if not options.device_mb:
            return None
        peak, self._peak_rows = self._peak_rows, 0
        model = options.model_mb * MIB
        return Memory(options.device_mb * MIB, model, model + peak * options.row_mb * MIB)

    def warm_up(self, shapes: Sequence[Shape]) -> None:
        """Nothing to warm."""

    def close(self) -> None:
        self._roster.clear()
        self._costs.clear()

    def _take_room(self) -> None:
        options, rows = self._options, self._roster.rows
        if options.device_mb and options.model_mb + options.row_mb * rows > options.device_mb:
            raise OutOfMemory(rows)
        self._peak_rows = max(self._peak_rows, rows)

    def _run_hook(self) -> list[Failed]:
        if self._hook is None:
            return []
        failed = []
        while self._roster.size:
            try:
                self._hook([seat.request for seat in self._roster.seated])
            except Poison as error:
                if not self.cancel(error.request_id):
                    raise
                failed.append(Failed(request_id=error.request_id, error=error))
            else:
                break
        return failed

    def _cost(self, seat: Seat) -> tuple[float, float]:
        """Seconds a step: what the batch pays once, and what this request adds."""
        options = self._options
        factor = _factor(seat.request.seed, options.spread) if options.spread else 1.0
        per_step = factor / seat.total
        return options.base_s * per_step, options.picture_s * per_step * seat.rows

    def _finish(self, seat: Seat) -> Finished:
        request, options = seat.request, self._options
        del self._costs[request.id]
        if options.leak_mb:
            self._leaked.append(b"\x01" * (options.leak_mb * MIB))  # ones: zeros would take no memory
        size = (request.height, request.width) if options.full_size else (options.side, options.side)
        images = [flat(request.seed + i, *size) for i in range(request.count) for _ in range(request.frames)]
        return self._roster.finish(seat, images)


def _shared(request: Request) -> tuple[str, int, int, int]:
    return request.task, request.width, request.height, request.frames


def _step_s(costs: Iterable[tuple[float, float]]) -> float:
    bases, extras = zip(*costs, strict=True)
    return float(max(bases) + sum(extras))


def flat(seed: int, height: int, width: int) -> Picture:
    """A one-colour picture; seeds that differ in their low 16 bits differ in colour. Shared and read-only."""
    return _flat(seed & 0xFFFF, height, width)


@lru_cache(maxsize=4096)
def _flat(low: int, height: int, width: int) -> Picture:
    colour = np.array([low & 0xFF, low >> 8, (low * 167) & 0xFF], dtype=np.uint8)
    return np.broadcast_to(colour, (height, width, 3))


def _factor(seed: int, spread: float) -> float:
    mixed = (seed * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) & (2**64 - 1)
    mixed = ((mixed ^ (mixed >> 31)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    uniform = ((mixed >> 12) + 0.5) / 2**52
    return math.exp(spread * NormalDist().inv_cdf(uniform))


class Hiccup(Poison):
    """One request failed by bad luck."""

    code = "engine_error"
    retryable = True


def troubles(options: NoopOptions, chance: Callable[[], float] = random.random) -> Hook:
    """What goes wrong in a step, by the options."""

    def hook(requests: Sequence[Request]) -> None:
        if options.poison and any(options.poison in one.prompt for one in requests):
            if len(requests) > 1:
                raise EngineFault("not a number, somewhere")
            raise Poison(requests[0].id, "not a number")
        unlucky = next((one for one in requests if chance() < options.hiccup), None)
        if unlucky is not None:
            raise Hiccup(unlucky.id, "bad luck")

    return hook


def load(_model: str = "", **options: Any) -> NoopEngine:
    """Make one from options by name; it has no model, so none is looked at."""
    chosen = NoopOptions(**options)
    return NoopEngine(chosen, hook=troubles(chosen) if chosen.poison or chosen.hiccup else None)
