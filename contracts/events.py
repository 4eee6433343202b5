"""The public contract: what is on `jobs`, `control`, `status`, `results` and `jobs.dead`.

Times are seconds since the Unix epoch; durations are seconds (`_s`). The JSON Schema, the AsyncAPI document and the
reference page are generated from this file (`python -m contracts.export`).
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from contracts.errors import Code, ErrorCode

NAME_PATTERN = r"^[A-Za-z0-9._:-]{1,128}\Z"
"""What an id or a tenant may look like."""

Tier = Literal["paid", "urgent", "ordinary"]
TIERS: tuple[Tier, ...] = ("paid", "urgent", "ordinary")
"""Most important first."""

Task = Literal["text-to-image", "image-to-image", "text-to-video", "image-to-video"]
State = Literal[
    "accepted",
    "rejected",
    "conflict",
    "queued",
    "running",
    "retrying",
    "degraded",
    "succeeded",
    "failed",
    "cancelled",
    "expired",
]
Terminal = Literal["succeeded", "failed", "cancelled", "expired", "rejected"]
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "expired", "rejected"})

Name = Annotated[str, Meta(pattern=NAME_PATTERN, description="1 to 128 characters of A-Z a-z 0-9 . _ : -")]


class Inputs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to make. What is left out takes the model's default."""

    prompt: Annotated[str, Meta(description="What the picture shows.")]
    negative_prompt: Annotated[str, Meta(description="What it must not show.")] = ""
    width: Annotated[int | None, Meta(description="Pixels.")] = None
    height: Annotated[int | None, Meta(description="Pixels.")] = None
    steps: Annotated[int | None, Meta(description="Denoising steps.")] = None
    guidance: Annotated[float | None, Meta(description="Guidance scale; 1 or less turns guidance off.")] = None
    seed: Annotated[int | None, Meta(description="0 to 2^53 - 1; drawn at admission if left out.")] = None
    count: Annotated[int, Meta(description="Pictures to make, with seeds seed, seed + 1, …")] = 1
    frames: Annotated[int | None, Meta(description="Frames of a video.")] = None
    fps: Annotated[int | None, Meta(description="Frames a second of a video.")] = None
    image: Annotated[str | None, Meta(description="Object key or URL of the input picture.")] = None
    format: Annotated[Literal["png", "jpeg", "webp"], Meta(description="File format of the outputs.")] = "png"


class Job(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One event on `jobs`: a generation job. The key of the record is the id."""

    id: Annotated[Name, Meta(description="Unique within its tenant; clients make UUIDv7.")]
    tenant: Annotated[Name, Meta(description="Who asks and is accounted for.")]
    task: Annotated[Task, Meta(description="What kind of generation.")]
    inputs: Inputs
    model: Annotated[str | None, Meta(description="Model name or name@version; the task's default if left out.")] = None
    priority: Annotated[Tier, Meta(description="Which tier the job queues in.")] = "ordinary"
    ttl_s: Annotated[
        float | None, Meta(description="The job expires this long after its record's timestamp (seconds, above 0).")
    ] = None
    degrade: Annotated[
        Literal["never", "allowed"],
        Meta(description="Whether fewer steps or a smaller size may be used after two failed runs. Paid jobs never are."),
    ] = "never"
    callback: Annotated[str | None, Meta(description="URL told of the terminal state.")] = None
    metadata: Annotated[dict[str, str] | None, Meta(description="Kept with the job, not interpreted.")] = None


class Control(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event on `control`: an order about a job already sent."""

    id: Name
    tenant: Name
    action: Literal["cancel"]


class JobError(Struct, frozen=True, kw_only=True):
    """Why a job did not succeed."""

    code: Annotated[
        Code,
        Meta(
            description="Stable and machine-readable: one of the [error codes](#error-codes).",
            extra_json_schema={"examples": list(get_args(ErrorCode))},
        ),
    ]
    message: Annotated[str, Meta(description="For people; names the field where a field is at fault.")]
    retryable: Annotated[bool, Meta(description="Whether the same job sent again may succeed.")] = False
    retry_after_s: Annotated[float | None, Meta(description="When to try again (seconds from now).")] = None


class Output(Struct, frozen=True, kw_only=True):
    """One file a job made."""

    key: Annotated[str, Meta(description="Path in the object store, made by the server.")]
    url: Annotated[str, Meta(description="Where to fetch it.")]
    media_type: str
    width: Annotated[int, Meta(description="Pixels.")]
    height: Annotated[int, Meta(description="Pixels.")]
    bytes: Annotated[int, Meta(description="Size of the file.")]
    sha256: Annotated[str, Meta(description="Of the file, hexadecimal.")]
    seed: Annotated[int, Meta(description="Makes the same picture again.")]


class Timings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the time went."""

    submitted_at: Annotated[float, Meta(description="Timestamp of the record on `jobs`.")] = 0.0
    admitted_at: float = 0.0
    dispatched_at: Annotated[float, Meta(description="When its batch was formed.")] = 0.0
    started_at: Annotated[float, Meta(description="When an engine took it.")] = 0.0
    finished_at: float = 0.0
    queued_s: Annotated[float, Meta(description="From submission to the start of the run.")] = 0.0
    run_s: Annotated[float, Meta(description="In the engine, wall time.")] = 0.0
    gpu_s: Annotated[float, Meta(description="Its share of the device's time.")] = 0.0
    total_s: Annotated[float, Meta(description="From submission to the terminal state.")] = 0.0


class BatchInfo(Struct, frozen=True, kw_only=True):
    """The batch in which a job ran."""

    id: str
    size: Annotated[int, Meta(description="Jobs in the batch.")]
    worker: str
    attempt: int = 1


class Result(Struct, frozen=True, kw_only=True):
    """One record on `results`: once per accepted job, and once per rejected event."""

    id: str
    tenant: str
    state: Terminal
    outputs: list[Output] = []
    error: JobError | None = None
    timings: Timings | None = None
    batch: BatchInfo | None = None
    model: Annotated[str | None, Meta(description="name@version that ran.")] = None
    degraded: Annotated[list[str], Meta(description="Inputs that were reduced: steps, or width and height.")] = []


class Queue(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a job stands as it begins to wait, and when it may be done. A forecast: what comes later may go first."""

    pool: str
    tier: Tier
    price_s: Annotated[float, Meta(description="Predicted GPU-seconds when run alone.")]
    position: Annotated[int, Meta(description="Jobs that wait in front of it.")]
    eta_s: Annotated[float, Meta(description="About when its result comes, in seconds after `at`.")]
    eta_low_s: Annotated[float, Meta(description="One job in ten comes earlier than this.")]
    eta_high_s: Annotated[float, Meta(description="One job in ten comes later.")]
    parked_s: Annotated[
        float, Meta(description="How long it waits for its tenant's turn before that, of which the times above know.")
    ] = 0.0


class Status(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record on `status`: a step in a job's life. After a terminal state nothing that follows counts."""

    id: str
    tenant: str
    state: State
    at: float
    attempt: Annotated[int, Meta(description="0 before the first run, then 1, 2, …")]
    step: Annotated[int | None, Meta(description="Steps done, while running.")] = None
    steps: Annotated[int | None, Meta(description="Steps in all, while running.")] = None
    error: JobError | None = None
    queue: Annotated[
        Queue | None, Meta(description="Of a job that is queued, once its pool's scheduler has said how the pool is.")
    ] = None
    repeated: Annotated[bool, Meta(description="Told again because the same job was sent again.")] = False


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One failed run of a job."""

    number: Annotated[int, Meta(description="1, 2, …")]
    code: Annotated[Code, Meta(description="Why it failed: one of the [error codes](#error-codes).")]
    ended_at: float
    started_at: Annotated[float, Meta(description="When an engine took it; 0: none did.")] = 0.0
    worker: str = ""
    engine: str = ""
    batch: Annotated[str, Meta(description="Id of the batch it ran in.")] = ""
    size: Annotated[int, Meta(description="Jobs in that batch.")] = 0
    counted: Annotated[
        bool, Meta(description="False: the engine ended with several jobs in it, and nobody knows which one did it.")
    ] = True


class Repro(Struct, frozen=True, kw_only=True):
    """What the last run was given, every default filled in. With the job in `body`, enough to run it again."""

    model: Annotated[str, Meta(description="name@version.")]
    engine: str
    width: Annotated[int, Meta(description="Pixels.")]
    height: Annotated[int, Meta(description="Pixels.")]
    steps: int
    guidance: float
    seed: int
    count: int
    frames: int
    fps: int
    degraded: Annotated[list[str], Meta(description="Inputs that were reduced.")] = []


class Dead(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record on `jobs.dead`: bytes that no job could be made of, or a job that cannot succeed."""

    id: Annotated[str, Meta(description="Empty if none could be read.")]
    tenant: str
    cause: JobError
    at: float
    topic: Annotated[str, Meta(description="Where the original record was.")]
    partition: int
    offset: int
    body: Annotated[str, Meta(description="The original bytes, in the given encoding.")]
    encoding: Annotated[Literal["utf-8", "base64", "null"], Meta(description="null: the record had no value.")]
    attempts: Annotated[list[Attempt], Meta(description="Every run it had.")] = []
    versions: Annotated[dict[str, str], Meta(description="Of Darkroom, the model, the engine and its libraries.")] = {}
    repro: Annotated[Repro | None, Meta(description="Of a job that was accepted.")] = None
