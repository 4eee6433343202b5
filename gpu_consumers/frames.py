"""What the parent and its engine process say to each other: msgpack frames, each with a 4-byte length in front.

Arrays, not maps: at thousands of jobs a second the field names would be most of the bytes and of the time.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Literal

import msgspec
from msgspec import Struct

from contracts.errors import Code
from engines import Memory

LENGTH = struct.Struct("<I")
BROKEN = 3
"""Exit status of an engine process whose engine broke down, after it told what became of the run."""


class Task(Struct, frozen=True, kw_only=True, array_like=True):
    """One job of a batch, as far as an engine needs to know. Told apart by its place in the batch."""

    task: str
    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    count: int
    frames: int
    fps: int
    format: str
    image: bytes | None = None
    """The input picture, encoded."""
    deadline: float | None = None
    """Not to be started after this (seconds since the epoch)."""


class Run(Struct, frozen=True, kw_only=True, array_like=True, tag="run"):
    """Run a batch, after those sent before it."""

    run: int
    """Numbers the runs of a worker process; never used twice."""
    model: str
    """name@version."""
    engine: str
    path: str
    options: dict[str, Any]
    tasks: list[Task]


class Drop(Struct, frozen=True, kw_only=True, array_like=True, tag="drop"):
    """Leave out these jobs of a run: they were cancelled."""

    run: int
    places: list[int]


class Abort(Struct, frozen=True, kw_only=True, array_like=True, tag="abort"):
    """Stop a run at the next step boundary, or do not start it; nothing more is to be said of its jobs."""

    run: int


class Warm(Struct, frozen=True, kw_only=True, array_like=True, tag="warm"):
    """Load a model that the process before this one held, and run it once, so that no job has to wait for that."""

    like: Run
    """A run of that model; its tasks say for which size."""


Order = Run | Drop | Abort | Warm


class Hello(Struct, frozen=True, kw_only=True, array_like=True, tag="hello"):
    """The engine process is there."""

    pid: int


class Started(Struct, frozen=True, kw_only=True, array_like=True, tag="started"):
    """The model is loaded and these jobs are about to take their first step."""

    run: int
    at: float
    places: list[int]
    loaded: list[str]
    """name@version of every model held now."""
    memory: Memory | None = None
    """Of the device, with these in it; None: it does not tell."""


class Warmed(Struct, frozen=True, kw_only=True, array_like=True, tag="warmed"):
    """`Warm` is done, or cannot be."""

    loaded: list[str]
    memory: Memory | None = None
    """Both as in `Started`."""


class Outgrown(Struct, frozen=True, kw_only=True, array_like=True, tag="outgrown"):
    """The process takes too much memory. All it did is told, it begins nothing any more and waits for its end."""

    resident_mb: float


class Timed(Struct, frozen=True, kw_only=True, array_like=True):
    """What a run took in which every job that was begun took all its steps."""

    places: list[int]
    seconds: float
    """In the engine, without loading the model."""
    load_s: float
    """Loading the model for it; 0: it was there."""
    cold: bool
    """Nothing of this size had run since the model was loaded."""
    device: str
    """Device class."""
    memory_bytes: int | None
    """As in `contracts.work.Ran`."""
    model_bytes: int | None = None
    """Likewise."""


class Through(Struct, frozen=True, kw_only=True, array_like=True, tag="through"):
    """The engine is done with a run: what ends the process from here on is not its doing. `Told` follows once encoded."""

    run: int
    timed: Timed | None = None
    """None: jobs failed or were taken out on the way, so that the time says nothing."""


class Stepped(Struct, frozen=True, kw_only=True, array_like=True, tag="stepped"):
    """How far the jobs are: place, steps done, steps in all. Also the sign of life: sent at most every `TICK_S`."""

    run: int
    steps: list[tuple[int, int, int]]


class File(Struct, frozen=True, kw_only=True, array_like=True):
    """One output, encoded."""

    body: bytes
    media_type: str
    suffix: str
    width: int
    height: int
    sha256: str
    seed: int


class Made(Struct, frozen=True, kw_only=True, array_like=True):
    """A job that succeeded."""

    place: int
    files: list[File]
    finished_at: float
    run_s: float
    gpu_s: float


class Unmade(Struct, frozen=True, kw_only=True, array_like=True):
    """A job that did not."""

    place: int
    state: Literal["failed", "cancelled", "expired"]
    code: Code = "internal"
    message: str = ""
    retryable: bool = False
    lost: bool = False
    """The engine ended with this job in it; its fault or not."""


class Told(Struct, frozen=True, kw_only=True, array_like=True, tag="told"):
    """What became of jobs of a run. With `over`, nothing more will be said of the run."""

    run: int
    made: list[Made]
    unmade: list[Unmade]
    over: bool
    squeezed: list[int] = []
    """Places of jobs that did not fit the device at once; they go on in parts."""


Report = Hello | Started | Stepped | Through | Told | Warmed | Outgrown

_encoder = msgspec.msgpack.Encoder()
_decode_order = msgspec.msgpack.Decoder(Order).decode
_decode_report = msgspec.msgpack.Decoder(Report).decode
order_of = _decode_order
report_of = _decode_report


def pack(frame: Order | Report) -> bytes:
    """A frame with its length in front."""
    body = _encoder.encode(frame)
    return LENGTH.pack(len(body)) + body


def receive(sock: socket.socket) -> bytes | None:
    """The body of the next frame, from a blocking socket; None at the end of the stream."""
    head = _exactly(sock, LENGTH.size)
    return None if head is None else _exactly(sock, LENGTH.unpack(head)[0])


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    body = bytearray(size)
    view, got = memoryview(body), 0
    while got < size:
        read = sock.recv_into(view[got:])
        if not read:
            return None
        got += read
    return bytes(body)
