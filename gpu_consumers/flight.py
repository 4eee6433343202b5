"""A batch in hand: from the bytes on `batches.<pool>` to what the engine process is asked."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from msgspec import Raw

from contracts.catalog import ModelSpec
from contracts.codec import Decoder, Invalid, read_loosely
from contracts.events import Dead, Job, JobError
from contracts.work import Outcome, PackedBatch, QueuedJob
from gpu_consumers.frames import Run, Task

KEPT_AS_TEXT = 2 * 1_048_576
"""Bytes; JSON may write one of them as six."""
KEPT = 10 * 1_048_576
"""Bytes of an unreadable record that its dead letter keeps: with base64 it still fits a record. The rest is where it was."""

read_batch = Decoder(PackedBatch)
_read_queued = Decoder(QueuedJob)
_read_job = Decoder(Job)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One job of a batch."""

    queued: QueuedJob
    raw: Raw
    """The `QueuedJob` as it came, to be queued again if the run fails."""
    job: Job
    weight: float
    """What it takes of the limit of a batch."""


@dataclass(kw_only=True, slots=True)
class Flight:
    """One run of a batch by this worker."""

    run: int
    partition: int
    offset: int
    batch: PackedBatch
    entries: list[Entry]
    unreadable: list[Outcome]
    """Verdicts on jobs of the batch that nothing can be made of."""
    pending: set[int] = field(default_factory=set)
    """Places of jobs that have no outcome yet."""
    started_at: float = 0.0
    lost: bool = False
    """Another worker's now: nothing of it may be told."""
    over: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a record was."""

    topic: str
    partition: int
    offset: int


def open_batch(run: int, source: Source, value: bytes | None, now: float) -> Flight:
    """A flight, whatever the bytes are: what cannot be read becomes verdicts, and an unreadable batch an empty flight."""
    try:
        batch = read_batch(value)
    except Invalid as error:
        return _unreadable(run, source, value, error, now)
    flight = _flight(run, source, batch)
    weights = batch.weights if len(batch.weights) == len(batch.jobs) else [1.0] * len(batch.jobs)
    for place, (raw, weight) in enumerate(zip(batch.jobs, weights, strict=True)):
        try:
            flight.entries.append(_entry(raw, weight))
        except Invalid as error:
            flight.unreadable.append(verdict(source, place, bytes(raw), error, now))
    flight.pending = set(range(len(flight.entries)))
    return flight


def _flight(run: int, source: Source, batch: PackedBatch) -> Flight:
    return Flight(run=run, partition=source.partition, offset=source.offset, batch=batch, entries=[], unreadable=[])


def _entry(raw: Raw, weight: float) -> Entry:
    queued = _read_queued(bytes(raw))
    return Entry(queued=queued, raw=raw, job=_read_job(bytes(queued.job)), weight=weight)


def _unreadable(run: int, source: Source, value: bytes | None, error: Invalid, now: float) -> Flight:
    empty = PackedBatch(id="", pool="", key="", engine="", model="", formed_at=0.0, sources=[], jobs=[])
    flight = _flight(run, source, empty)
    jobs = _field(read_loosely(value), "jobs")
    if isinstance(jobs, list) and jobs and all(_name(job, "id") and _name(job, "tenant") for job in jobs):
        flight.unreadable = [verdict(source, place, msgspec.json.encode(job), error, now) for place, job in enumerate(jobs)]
    else:
        flight.unreadable = [verdict(source, 0, value, error, now)]
    return flight


def verdict(source: Source, place: int, value: bytes | None, error: Invalid, now: float) -> Outcome:
    """The outcome of bytes that are no job, with the bytes in the dead letter; a result only if the id can be read."""
    loose = read_loosely(value)
    job_id, tenant = _name(loose, "id"), _name(loose, "tenant")
    cause = JobError(code="internal", message=f"{error.field}: {error.reason}")
    silent = not (job_id and tenant)
    return Outcome(
        id=job_id,
        tenant=tenant,
        state="rejected" if silent else "failed",
        at=now,
        error=cause,
        silent=silent,
        source=f"{source.topic}/{source.partition}@{source.offset}#{place}",
        dead=_dead(source, job_id, tenant, value, cause, now),
    )


def _dead(source: Source, id: str, tenant: str, value: bytes | None, cause: JobError, now: float) -> Dead:
    body, encoding = _text(value)
    return Dead(
        id=id,
        tenant=tenant,
        cause=cause,
        at=now,
        topic=source.topic,
        partition=source.partition,
        offset=source.offset,
        body=body,
        encoding=encoding,
    )


def _text(value: bytes | None) -> tuple[str, Literal["utf-8", "base64", "null"]]:
    if value is None:
        return "", "null"
    try:
        if len(value) <= KEPT_AS_TEXT:
            return value.decode(), "utf-8"
    except UnicodeDecodeError:
        pass
    return base64.b64encode(value[:KEPT]).decode(), "base64"


def _field(loose: object, name: str) -> object:
    return loose.get(name) if isinstance(loose, dict) else None


def _name(loose: object, name: str) -> str:
    found = _field(loose, name)
    return found if isinstance(found, str) else ""


def order_for(flight: Flight, model: ModelSpec, images: Callable[[int], bytes | None]) -> Run:
    """What the engine process is asked."""
    tasks = [_task(entry, images(place)) for place, entry in enumerate(flight.entries)]
    return Run(run=flight.run, model=model.ref, engine=model.engine, path=model.path, options=dict(model.options), tasks=tasks)


def _task(entry: Entry, image: bytes | None) -> Task:
    numbers, inputs = entry.queued.resolved, entry.job.inputs
    return Task(
        task=entry.job.task,
        prompt=inputs.prompt,
        negative_prompt=inputs.negative_prompt,
        width=numbers.width,
        height=numbers.height,
        steps=numbers.steps,
        guidance=numbers.guidance,
        seed=numbers.seed,
        count=numbers.count,
        frames=numbers.frames,
        fps=numbers.fps,
        format=inputs.format,
        image=image,
        deadline=entry.queued.deadline,
    )
