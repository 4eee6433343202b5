"""What a model can do and what it costs: the facts that admission needs and engines keep to."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from contracts.events import Task


class Cost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A seed for predicted run time: `base_s + per_row_step_s × steps × rows × megapixels / reference_mp` (seconds)."""

    base_s: float
    per_row_step_s: float
    """One step of one row (a guidance branch is a row) at the model's default size."""
    load_s: float = 1.0
    """Loading the model."""


class ModelSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model that jobs can name."""

    name: str
    version: str
    engine: str
    """Engine that runs it: onnx, diffusers, noop."""
    pool: str = "default"
    path: str = ""
    """Pipeline folder, relative to the catalogue's own folder."""
    tasks: list[Task]
    width: int
    """Default, pixels."""
    height: int
    min_side: int
    max_side: int
    multiple: int
    """Width and height must be multiples of this (pixels)."""
    max_pixels: int
    steps: int
    max_steps: int
    guidance: float
    max_guidance: float = 20.0
    max_count: int = 8
    max_frames: int = 1
    max_prompt: Annotated[int, Meta(description="Characters.")] = 2000
    batch_cap: int = 8
    """Largest batch of the default size until measured otherwise."""
    options: dict[str, bool | int | float | str] = {}
    """The engine's own options, by name."""
    cost: Cost

    @property
    def ref(self) -> str:
        """name@version."""
        return f"{self.name}@{self.version}"


class Catalog(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All models, and which one a task takes when the job names none."""

    defaults: dict[Task, str]
    models: list[ModelSpec]

    def find(self, name: str | None, task: Task) -> ModelSpec | None:
        """The model called `name` or `name@version`; the task's default for None."""
        wanted = name or self.defaults.get(task)
        return next((m for m in self.models if wanted in (m.name, m.ref)), None)

    def by_ref(self, ref: str) -> ModelSpec | None:
        """The model of exactly this name@version."""
        return next((m for m in self.models if m.ref == ref), None)


def load_catalog(file: Path) -> Catalog:
    """Read a catalogue; a model's `path` comes back absolute. Raises ValueError naming file and field."""
    try:
        catalog = msgspec.convert(tomllib.loads(file.read_text()), Catalog)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{file}: {error}") from error
    base = file.resolve().parent
    located = [msgspec.structs.replace(m, path=str(base / m.path)) if m.path else m for m in catalog.models]
    return msgspec.structs.replace(catalog, models=located)
