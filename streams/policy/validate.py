"""What a job asks for, held against what its model can do. Every rule raises `Rejected` naming the field."""

from __future__ import annotations

import re
from typing import TypeVar
from urllib.parse import urlsplit

from contracts.catalog import Catalog, ModelSpec
from contracts.events import Inputs, Job, Task
from contracts.work import Resolved
from streams.policy.rejected import Rejected

MAX_SEED = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

MAX_TTL_S = 30 * 86_400.0
"""Longer than any queue is kept."""

MAX_URL = 2048
"""Characters; what browsers and proxies take."""

MAX_METADATA_ENTRIES = 64
MAX_METADATA_CHARACTERS = 16_384
MAX_FPS = 120
DEFAULT_FPS = 8
DEFAULT_FRAMES = 16
"""Two seconds at the default rate, if the model can make so many."""

N = TypeVar("N", int, float)

_OBJECT_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:/-]{0,1023}\Z")
_VIDEO = frozenset({"text-to-video", "image-to-video"})
_FROM_IMAGE = frozenset({"image-to-image", "image-to-video"})


class Models:
    """The catalogue, indexed for one look-up a job."""

    def __init__(self, catalog: Catalog) -> None:
        self._named: dict[str, ModelSpec] = {}
        for model in catalog.models:
            self._named.setdefault(model.name, model)
            self._named.setdefault(model.ref, model)
        self._defaults = dict(catalog.defaults)

    def choose(self, name: str | None, task: Task) -> ModelSpec:
        """The model that runs the task. Raises `Rejected`."""
        model = self._named.get(self._defaults.get(task, "") if name is None else name)
        if model is None:
            raise Rejected("unknown_model", "model", "no model of this name" if name is not None else f"none does {task}")
        if task not in model.tasks:
            raise Rejected("unsupported", "task", f"{model.ref} does not do {task}")
        return model


def check(job: Job, model: ModelSpec, drawn_seed: int) -> Resolved:
    """All numbers of a job with defaults filled in; `drawn_seed` is for a job that names none. Raises `Rejected`."""
    inputs = job.inputs
    _check_texts(job, model)
    _check_extras(job)
    width, height = _size(inputs, model)
    count = _within("inputs.count", inputs.count, 1, model.max_count)
    return Resolved(
        width=width,
        height=height,
        steps=_within("inputs.steps", _or(inputs.steps, model.steps), 1, model.max_steps),
        guidance=_within("inputs.guidance", _or(inputs.guidance, model.guidance), 0.0, model.max_guidance),
        seed=_within("inputs.seed", _or(inputs.seed, drawn_seed), 0, MAX_SEED - count + 1),
        count=count,
        frames=_frames(job, model),
        fps=_fps(job),
    )


def _or(value: N | None, default: N) -> N:
    return default if value is None else value


def _within(field: str, value: N, least: N, most: N) -> N:
    # Written so that NaN, which compares false with everything, is refused too.
    if least <= value <= most:
        return value
    if value > most:
        raise Rejected("invalid", field, f"{_show(value)} is above {_show(most)}")
    raise Rejected("invalid", field, f"{_show(value)} is below {_show(least)}" if value < least else "is not a number")


def _show(value: float) -> str:
    """A number in few characters: people send some with 300 digits."""
    return str(value) if abs(value) < 10**17 else f"{'-' if value < 0 else ''}1e{len(str(int(abs(value)))) - 1} or so"


def _size(inputs: Inputs, model: ModelSpec) -> tuple[int, int]:
    width = _side("inputs.width", _or(inputs.width, model.width), model)
    height = _side("inputs.height", _or(inputs.height, model.height), model)
    if width * height > model.max_pixels:
        reason = f"{width} x {height} is {width * height} pixels, above this model's {model.max_pixels}"
        raise Rejected("invalid", "inputs.width", reason)
    return width, height


def _side(field: str, side: int, model: ModelSpec) -> int:
    if side > model.max_side:
        raise Rejected("invalid", field, f"{_show(side)} is above this model's {model.max_side}")
    if side < model.min_side:
        raise Rejected("invalid", field, f"{_show(side)} is below this model's {model.min_side}")
    if side % model.multiple:
        raise Rejected("invalid", field, f"{side} is not a multiple of {model.multiple}")
    return side


def _frames(job: Job, model: ModelSpec) -> int:
    frames = job.inputs.frames
    if job.task in _VIDEO:
        return _within("inputs.frames", _or(frames, min(DEFAULT_FRAMES, model.max_frames)), 1, model.max_frames)
    if frames is not None and frames != 1:
        raise Rejected("invalid", "inputs.frames", f"{job.task} makes no video")
    return 1


def _fps(job: Job) -> int:
    fps = job.inputs.fps
    if fps is None:
        return DEFAULT_FPS
    if job.task not in _VIDEO:
        raise Rejected("invalid", "inputs.fps", f"{job.task} makes no video")
    return _within("inputs.fps", fps, 1, MAX_FPS)


def _check_texts(job: Job, model: ModelSpec) -> None:
    inputs = job.inputs
    for field, text in (("inputs.prompt", inputs.prompt), ("inputs.negative_prompt", inputs.negative_prompt)):
        if len(text) > model.max_prompt:
            raise Rejected("too_large", field, f"{len(text)} characters are more than this model's {model.max_prompt}")
    if job.task not in _FROM_IMAGE:
        if not inputs.prompt.strip():
            raise Rejected("invalid", "inputs.prompt", "is empty")
        if inputs.image is not None:
            raise Rejected("invalid", "inputs.image", f"{job.task} takes no picture")
        return
    if inputs.image is None:
        raise Rejected("invalid", "inputs.image", f"is required for {job.task}")
    _check_image(inputs.image)


def _check_image(image: str) -> None:
    if "://" in image:
        _check_url("inputs.image", image)
    elif not _OBJECT_KEY.match(image) or ".." in image:
        raise Rejected("invalid", "inputs.image", "is neither an object key nor an http or https URL")


def _check_extras(job: Job) -> None:
    if job.ttl_s is not None and not 0 < job.ttl_s <= MAX_TTL_S:
        raise Rejected("invalid", "ttl_s", f"must be above 0 and at most {MAX_TTL_S:.0f} seconds")
    if job.callback is not None:
        _check_url("callback", job.callback)
    if job.metadata is not None:
        _check_metadata(job.metadata)


def _check_url(field: str, url: str) -> None:
    if len(url) > MAX_URL:
        raise Rejected("too_large", field, f"{len(url)} characters are more than {MAX_URL}")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise Rejected("invalid", field, "is not an http or https URL")


def _check_metadata(metadata: dict[str, str]) -> None:
    if len(metadata) > MAX_METADATA_ENTRIES:
        raise Rejected("too_large", "metadata", f"{len(metadata)} entries are more than {MAX_METADATA_ENTRIES}")
    size = sum(len(key) + len(value) for key, value in metadata.items())
    if size > MAX_METADATA_CHARACTERS:
        raise Rejected("too_large", "metadata", f"{size} characters are more than {MAX_METADATA_CHARACTERS}")
