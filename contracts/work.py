"""Internal events: what the stages hand to one another. Not part of the public contract."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from contracts.events import Attempt, BatchInfo, Dead, JobError, Output, Terminal, Tier, Timings

NO_RAW = Raw(b"null")


class Resolved(Struct, frozen=True, kw_only=True, array_like=True):
    """A job's numbers with every default filled in at admission. Pixels, frames a second."""

    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    count: int
    frames: int
    fps: int

    @property
    def rows(self) -> int:
        """In a forward pass: pictures × frames, twice with guidance, which adds a branch to each."""
        return self.count * self.frames * (2 if self.guidance > 1 else 1)


class QueuedJob(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An admitted job on `queue.<pool>.<tier>`: checked, priced and placed.

    `job` is the original event, byte for byte, so that nothing between admission and the engine has to decode it and a
    dead letter can carry it.
    """

    id: str
    tenant: str
    tier: Tier
    pool: str
    model: str
    """name@version, resolved at admission."""
    engine: str
    batch_key: str
    """Jobs with the same key can share a forward pass."""
    price_s: float
    """Predicted GPU-seconds when run alone."""
    resolved: Resolved
    source: str
    """`partition@offset` on `jobs` of the record that claimed the id."""
    submitted_at: float
    admitted_at: float
    deadline: float | None = None
    degrade: bool = False
    attempt: int = 1
    not_before: float = 0.0
    """Not to be dispatched before this time (a retry's backoff)."""
    history: list[Attempt] = []
    """Every run so far."""
    group: str = ""
    """Jobs of a group share a batch with nobody else: a half of a batch whose engine ended, or one job alone."""
    degraded: list[str] = []
    """Inputs reduced since admission."""
    forecast_s: float = 0.0
    """From admission to the result, as admission saw it, before it was corrected by how forecasts turn out; 0: unknown."""
    said_s: tuple[float, float] | None = None
    """Seconds from admission to the result between which it was told to be done, four times of five; None: nothing was told."""
    job: Raw = NO_RAW


class QueuedHead(Struct, frozen=True, kw_only=True):
    """The part of a `QueuedJob` that the batcher looks at; the rest stays bytes."""

    id: str
    tenant: str
    tier: Tier
    model: str
    engine: str
    batch_key: str
    price_s: float
    resolved: Resolved
    submitted_at: float
    deadline: float | None = None
    attempt: int = 1
    not_before: float = 0.0
    group: str = ""
    admitted_at: float = 0.0
    forecast_s: float = 0.0
    said_s: tuple[float, float] | None = None


class Parked(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An admitted job above its tenant's rate, on `parked.<pool>`. Times are on the limiter's clock."""

    start_at: float
    """When it may queue."""
    look_at: float
    """When its line is done with it. Those of one line come in this order."""
    paid: bool = False
    """Whether it has taken from the bucket of all tenants together, too."""
    job: Raw
    """The `QueuedJob`."""


class Batch(Struct, frozen=True, kw_only=True):
    """Jobs that run together, on a partition of `batches.<pool>` that one worker owns."""

    id: str
    pool: str
    key: str
    engine: str
    model: str
    formed_at: float
    sources: list[tuple[Tier, int]]
    """Tier and offset of each job's record: what a new scheduler reads to know what was dispatched already."""
    jobs: list[QueuedJob]
    weights: list[float] = []
    """What each job takes of the limit of a batch."""


class PackedBatch(Struct, frozen=True, kw_only=True):
    """The same record as `Batch`, with the jobs left as the bytes they came in."""

    id: str
    pool: str
    key: str
    engine: str
    model: str
    formed_at: float
    sources: list[tuple[Tier, int]]
    jobs: list[Raw]
    weights: list[float] = []


class Squeezed(Struct, frozen=True, kw_only=True, array_like=True):
    """A worker's device ran out of memory."""

    weight: float
    """Of the jobs that did not fit at once, in the unit of a batch's limit."""
    ago_s: float
    """How long before the report."""


class Ran(Struct, frozen=True, kw_only=True, array_like=True):
    """A run as a worker measured it: all jobs of a batch from their first step to their last, none failed or left out."""

    key: str
    """Of the batch."""
    model: str
    """name@version."""
    engine: str
    device: str
    """Device class, such as cpu or h200."""
    pixels: int
    """Width × height."""
    rows: int
    """Of the widest forward pass: pictures × frames × guidance branches."""
    steps: int
    """Of the job that took most."""
    row_steps: int
    """Rows × steps, summed over the jobs."""
    seconds: float
    """From the first step to the end of the last, without loading the model."""
    load_s: float = 0.0
    """What loading the model for this run took (seconds); 0: it was there."""
    cold: bool = False
    """The first run of its shape since the model was loaded, which pays for preparing it."""
    memory_bytes: int | None = None
    """Of the device at the peak, with this model and without others that were held; None: it does not tell."""
    model_bytes: int | None = None
    """What the model takes of that with nothing running."""


class Measured(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What is kept of a run to predict others of its key."""

    number: int
    """How many runs of the key were learned before."""
    rows: int
    steps: int
    row_steps: int
    seconds: float
    memory_bytes: int | None = None
    model_bytes: int | None = None


class LearnedCost(Struct, frozen=True, kw_only=True):
    """What is known of one batch key on one device class, on `costs`: enough to go on learning from."""

    model: str
    """name@version."""
    engine: str
    device: str
    key: str
    pixels: int
    runs: int
    """Learned in all. Of two records of a key the one that knows more runs is right."""
    measured: list[Measured]
    judged: int
    """Runs that a prediction was judged by."""
    held: int
    """Those of them that ended within the stated interval."""
    ratios: list[float]
    """Of the last runs: seconds measured over seconds predicted before."""
    loads: list[float]
    """Of the last times that the model was loaded for this key (seconds)."""


class WorkerReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a GPU consumer says of itself on `workers`: at every change, and every second."""

    worker: str
    """Unique to one run of the process."""
    pool: str
    at: float
    generation: int
    """Generation of the consumer group in which it owns `positions`."""
    leaving: bool = False
    positions: dict[int, int] = {}
    """Partition of `batches.<pool>` it owns, to the offset of the first batch not yet finished there."""
    engines: list[str] = []
    models: list[str] = []
    """name@version that it can run; the ones it holds loaded first."""
    held: list[str] | None = None
    """Those that it holds; None: it does not tell."""
    slots: int = 2
    """Batches it takes at once: one running, the rest ready."""
    squeezed: dict[str, Squeezed] = {}
    """Batch key to the last time that its jobs did not fit the device."""
    device: str = ""
    """Device class, such as cpu or h200; empty: not known yet."""
    ran: list[Ran] = []
    """Runs that ended since the last report."""
    memory_bytes: int | None = None
    """Of its device, for models and a batch: all of it, less what other processes have. None: it does not tell."""
    held_bytes: int = 0
    """What the models that it holds take of that."""


class Lost(Struct, frozen=True, kw_only=True, array_like=True):
    """The engine ended in the middle of a run. Which of the jobs in it did that, if any, nobody knows."""

    place: int
    """Of this job among them, from 0."""
    size: int
    """How many they were."""


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a job, on `outcomes`, for settle to decide on. Also how a stage asks for a terminal state."""

    id: str
    tenant: str
    state: Terminal
    at: float
    attempt: int | None = None
    """The run that this is the outcome of; None where the verdict holds whatever runs (cancel, expiry, rejection)."""
    model: str | None = None
    """name@version that ran; of a failed run `queued` tells it."""
    outputs: list[Output] = []
    error: JobError | None = None
    timings: Timings | None = None
    batch: BatchInfo | None = None
    degraded: list[str] = []
    """Inputs that were reduced for this run."""
    lost: Lost | None = None
    """Of a failed run: the engine ended with it."""
    versions: dict[str, str] = {}
    """Of a failed run: what it ran on."""
    source: str = ""
    """Of a rejection: `partition@offset` of the rejected record, so that a replay is not told twice."""
    silent: bool = False
    """No `results` record: nothing an id could be read from, only a dead letter."""
    queued: Raw = NO_RAW
    """The `QueuedJob` of a failed run, so that it can be queued again."""
    dead: Dead | None = None


Verdict = Literal["won", "again", "late"]
"""What a conditional write answered: it took effect; it had taken effect before (a replay); something else had."""
