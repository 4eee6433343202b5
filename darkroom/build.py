"""A `Job` from what a caller says, checked before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, TypedDict

import msgspec

from contracts.codec import Decoder, Invalid
from contracts.events import Inputs, Job, Task, Tier
from darkroom.errors import InvalidJob
from darkroom.ids import new_id


class InputOptions(TypedDict, total=False):
    """`inputs` less the prompt; see `contracts.events.Inputs` for units and defaults."""

    negative_prompt: str
    width: int | None
    height: int | None
    steps: int | None
    guidance: float | None
    seed: int | None
    count: int
    frames: int | None
    fps: int | None
    image: str | None
    format: Literal["png", "jpeg", "webp"]


class JobOptions(InputOptions, total=False):
    """What a job may say beside prompt and tenant; see `contracts.events.Job`."""

    id: str
    task: Task
    model: str | None
    priority: Tier
    ttl_s: float | None
    degrade: Literal["never", "allowed"]
    callback: str | None
    metadata: dict[str, str] | None


_INPUTS = frozenset(Inputs.__struct_fields__)
_decode = Decoder(Job)


def build_job(prompt: str | None, tenant: str | None, options: Mapping[str, object]) -> Job:
    """The job these words describe; its id is made here unless given. Raises `InvalidJob`."""
    if prompt is None:
        raise InvalidJob("inputs.prompt", "is required")
    if tenant is None:
        raise InvalidJob("tenant", "is required: give it to submit or to the client")
    inputs = {"prompt": prompt, **{name: value for name, value in options.items() if name in _INPUTS}}
    about = {name: value for name, value in options.items() if name not in _INPUTS}
    return _checked({"id": new_id(), "task": "text-to-image", **about, "tenant": tenant, "inputs": inputs})


def checked(job: Job) -> Job:
    """The same job; a record made by hand was not checked yet. Raises `InvalidJob`."""
    return _checked(msgspec.to_builtins(job))


def _checked(fields: Mapping[str, object]) -> Job:
    try:
        return _decode(json.dumps(fields, allow_nan=False).encode())
    except Invalid as error:
        raise InvalidJob(error.field, error.reason) from None
    except (TypeError, ValueError):
        raise InvalidJob("job", "holds a value that JSON cannot express") from None
