"""The demo's jobs, and how each is expected to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from contracts.events import Inputs, Job, Tier
from darkroom.ids import new_id

Ending = Literal["succeeded", "cancelled", "expired", "rejected", "conflict"]

SQUARE, WIDE, TALL, BROAD, HIGH = (128, 128), (160, 96), (96, 160), (160, 128), (128, 160)
"""Canvases that the built-in model was trained on, (width, height) in pixels."""

PICTURES: tuple[tuple[str, Tier, str, tuple[int, int]], ...] = (
    ("acme", "paid", "a red circle above a blue square on a yellow background", SQUARE),
    ("acme", "paid", "a small green star on a white background", SQUARE),
    ("acme", "paid", "a large blue ring on an orange background", SQUARE),
    ("acme", "paid", "a yellow triangle left of a purple circle on a white background", WIDE),
    ("acme", "paid", "a white star on a blue background", TALL),
    ("acme", "paid", "an orange square on a black background", SQUARE),
    ("orchard", "urgent", "a purple triangle on a yellow background", SQUARE),
    ("orchard", "urgent", "a black ring below a red star on a white background", TALL),
    ("orchard", "urgent", "a green circle right of an orange triangle on a white background", WIDE),
    ("orchard", "urgent", "a small red square on a green background", SQUARE),
    ("orchard", "urgent", "a yellow star above a white ring on a blue background", HIGH),
    ("orchard", "urgent", "a large purple circle on a white background", BROAD),
    ("pixelworks", "ordinary", "a blue triangle on a white background", SQUARE),
    ("pixelworks", "ordinary", "a red ring left of a black square on a yellow background", WIDE),
    ("pixelworks", "ordinary", "a large yellow circle on a purple background", SQUARE),
    ("pixelworks", "ordinary", "an orange star on a black background", HIGH),
    ("pixelworks", "ordinary", "a green square below a red triangle on a white background", TALL),
    ("pixelworks", "ordinary", "a small black circle on an orange background", SQUARE),
)

TOO_SOON_S = 0.001
"""A time to live that nothing can keep (seconds)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One event the demo sends."""

    job: Job
    ends: Ending
    cancel: bool = False
    """Cancelled as soon as it is sent."""
    note: str = ""


def plan(model: str | None) -> list[Part]:
    """All events in the order of sending; `model` replaces the task's default."""
    jobs = [_job(*picture, seed=number, model=model) for number, picture in enumerate(PICTURES, start=1)]
    jobs[5] = _changed(jobs[5], steps=30)
    jobs[11] = _changed(jobs[11], guidance=2.0, format="jpeg")
    jobs[14] = _changed(jobs[14], count=2)
    notes = {5: "30 steps, in one batch with shorter ones", 11: "other guidance, JPEG", 14: "two pictures"}
    return [Part(job=job, ends="succeeded", note=notes.get(number, "")) for number, job in enumerate(jobs)] + _odd(jobs, model)


def _odd(jobs: list[Job], model: str | None) -> list[Part]:
    """Events that test the rules."""
    late = _job("pixelworks", "ordinary", "a white circle on a red background", SQUARE, seed=21, model=model)
    unwanted = _job("pixelworks", "ordinary", "a purple star on a green background", SQUARE, seed=22, model=model)
    narrow = _job("orchard", "urgent", "a blue star on a white background", (100, 128), seed=23, model=model)
    other = _changed(jobs[1], prompt="a small black star on a white background")
    return [
        Part(job=jobs[0], ends="succeeded", note="the first one sent again: nothing runs twice"),
        Part(job=other, ends="conflict", note="the id of the second one, another prompt"),
        Part(job=narrow, ends="rejected", note="100 pixels wide: no multiple of 16"),
        Part(job=_changed(unwanted, steps=50), ends="cancelled", cancel=True, note="cancelled by its sender"),
        Part(job=msgspec.structs.replace(late, ttl_s=TOO_SOON_S), ends="expired", note="one millisecond to live"),
        Part(job=_last(model), ends="succeeded", note="after all that, business as usual"),
    ]


def _last(model: str | None) -> Job:
    return _job("acme", "paid", "a large red star on a yellow background", BROAD, seed=24, model=model)


def _job(tenant: str, tier: Tier, prompt: str, size: tuple[int, int], *, seed: int, model: str | None) -> Job:
    inputs = Inputs(prompt=prompt, width=size[0], height=size[1], seed=seed)
    return Job(id=new_id(), tenant=tenant, task="text-to-image", model=model, priority=tier, inputs=inputs)


def _changed(job: Job, **inputs: Any) -> Job:
    return msgspec.structs.replace(job, inputs=msgspec.structs.replace(job.inputs, **inputs))
