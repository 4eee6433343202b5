"""What an engine is: a model on a device that generates step by step.

Everything that is not arithmetic happens between steps: progress, joining, cancelling. An engine is
single-threaded and holds no queue beyond the requests it admitted; ordering and batching are its caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from engines.errors import EngineError
from engines.request import Request

Picture = npt.NDArray[np.uint8]
"""One picture: height × width × 3, RGB, 0–255."""


class Memory(NamedTuple):
    """What this process has of its device (bytes). All engines of a kind that it holds share it."""

    whole: int
    """All that it could have: the device, less what other processes have of it."""
    used: int
    """What it has in use; between runs that is what its models take."""
    peak: int
    """The most that it had in use since this was asked last."""


class Progress(NamedTuple):
    """A request that took a step. A tuple because a busy engine makes thousands a second."""

    request_id: str
    done: int
    """Steps done, 1 … total."""
    total: int
    """Steps this request takes: fewer than it asked for when it starts from an image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A request whose pictures are ready."""

    request_id: str
    images: list[Picture]
    """``count`` pictures; for video ``count`` × ``frames``, clip by clip."""
    seeds: list[int]
    """One seed a picture (or clip): seed, seed + 1, …"""
    run_s: float
    """Wall seconds from joining to finishing."""
    share_s: float
    """Seconds of engine time this request paid for: each step's time split over the rows in it."""
    batch_size: int
    """Most requests that shared a forward pass with it, itself included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """A request that left without pictures while its neighbours went on."""

    request_id: str
    error: EngineError


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """What one step did. An admitted request appears once, in ``finished`` or ``failed``, unless it was cancelled."""

    progress: Sequence[Progress] = ()
    finished: Sequence[Finished] = ()
    failed: Sequence[Failed] = ()
    rows: int = 0
    """Rows in the forward pass, padding left out: pictures × guidance branches."""
    step_s: float = 0.0
    """Wall seconds of the step, decoding included."""


class Shape(NamedTuple):
    """A forward pass to prepare for: pixels, pixels, requests of one picture, frames."""

    width: int
    height: int
    batch: int = 1
    frames: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineInfo:
    """What runs, for reports and logs."""

    engine: str
    model: str
    version: str
    device: str
    """Its class: cpu, h200. Alike devices have the same."""
    precision: str
    tasks: tuple[str, ...]
    samplers: tuple[str, ...] = field(default=())


@runtime_checkable
class Engine(Protocol):
    """One model on one device. Not thread-safe."""

    name: str

    @property
    def info(self) -> EngineInfo: ...

    @property
    def active(self) -> int:
        """Requests admitted and not yet finished, failed or cancelled."""
        ...

    def check(self, request: Request) -> None:
        """Raise Unsupported, naming the field, for what this model can never do. Cheap; needs no device."""
        ...

    def batch_key(self, request: Request) -> str:
        """What a forward pass must share. Steps, guidance, sampler and seed are not in it."""
        ...

    def admit(self, requests: Sequence[Request]) -> None:
        """Let requests join at the next step boundary: all of them, or none.

        Raises Unsupported (or Incompatible) with ``request_id`` of the first that cannot; whatever runs is untouched.
        """
        ...

    def step(self) -> StepReport:
        """One forward pass for every row. Raises OutOfMemory or EngineFault (nothing moved), or EngineBroken."""
        ...

    def cancel(self, request_id: str) -> bool:
        """Take a request out at this boundary; False if it is not here."""
        ...

    def memory(self) -> Memory | None:
        """Of the device; None where it does not tell."""
        ...

    def warm_up(self, shapes: Sequence[Shape]) -> None:
        """Run each shape once, so that the first request does not pay for it. Only while nothing is active."""
        ...

    def close(self) -> None:
        """Free the device. Idempotent; requests still active are dropped."""
        ...
