"""Outcomes as GPU consumers write them, zombies' included."""

from __future__ import annotations

import json

import msgspec

from contracts.codec import encode
from contracts.events import JobError, Output
from contracts.work import Outcome
from streams.policy.cost_model import CostModel
from streams.policy.decode import read_job
from streams.policy.place import place, queued
from streams.policy.validate import Models
from tests.support.bad_jobs import USED, good

MODELS, COSTS = Models(USED), CostModel(USED)
OUT_OF_MEMORY = JobError(code="out_of_memory", message="8 rows", retryable=True)
POISON = JobError(code="poison", message="not a number")


def success(id: str = "a", *, attempt: int = 1, key: str = "a/1") -> Outcome:
    """Of a run that stored one picture under `key`."""
    made = Output(key=key, url="", media_type="image/png", width=8, height=8, bytes=1, sha256="", seed=1)
    return Outcome(id=id, tenant="acme", state="succeeded", at=9.0, attempt=attempt, outputs=[made])


def failure(id: str = "a", *, attempt: int = 1, error: JobError = OUT_OF_MEMORY) -> Outcome:
    """Of a run that failed, with the job as it was queued."""
    event = json.dumps(good(id)).encode()
    job = queued(place(read_job(event), MODELS, COSTS), event, source="0@0", submitted_at=1.0, admitted_at=2.0)
    raw = msgspec.Raw(encode(msgspec.structs.replace(job, attempt=attempt)))
    return Outcome(id=id, tenant="acme", state="failed", at=9.0, attempt=attempt, error=error, queued=raw)


def cancelled(id: str = "a") -> Outcome:
    """As the control agent asks for it."""
    return Outcome(id=id, tenant="acme", state="cancelled", at=9.0)
