"""A model folder: a standard diffusers pipeline, and beside it what Darkroom adds.

``darkroom.json`` is optional. It may hold ``name``, ``version``, ``tasks``, bounds (``width``, ``height``, ``steps``,
``guidance`` with ``min``, ``max``, ``multiple``; ``max_pixels``, ``max_count``) and ``empty_t5_tokens``, the number
of zero tokens a Stable Diffusion 3 without its third text encoder was trained with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engines.errors import EngineBroken
from engines.stepwise.limits import Limits

BUILTIN = Path(__file__).parent / "builtin" / "model"

EMPTY_T5_TOKENS = 256
"""What diffusers' Stable Diffusion 3 pipeline appends when there is no third text encoder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFolder:
    """What is known of a model before its weights are read."""

    path: Path
    pipeline: str
    """The diffusers class, of model_index.json."""
    parts: Mapping[str, tuple[str | None, str | None]]
    """Library and class of each component; (None, None) where the model does without."""
    scheduler: Mapping[str, Any]
    facts: Mapping[str, Any]
    """darkroom.json, or nothing."""
    version: str
    """As darkroom.json says; else a digest of the folder's configuration and of its files' sizes."""

    @property
    def name(self) -> str:
        """As darkroom.json says; else the folder's own."""
        return str(self.facts.get("name") or ("builtin" if self.path == BUILTIN else self.path.name))

    @property
    def empty_t5_tokens(self) -> int:
        return int(self.facts.get("empty_t5_tokens", EMPTY_T5_TOKENS))

    def config(self, part: str) -> Mapping[str, Any]:
        """A component's config.json."""
        return _json(self.path / part / "config.json")

    def has(self, part: str) -> bool:
        """Whether the model has a component of this name."""
        return self.parts.get(part, (None, None))[0] is not None


def open_folder(path: str) -> ModelFolder:
    """The built-in model for an empty path. Raises FileNotFoundError, or EngineBroken if it is no pipeline."""
    return _opened(Path(path) if path else BUILTIN)


def _opened(path: Path) -> ModelFolder:
    if not path.is_dir():
        raise FileNotFoundError(f"no model folder at {path}")
    index = _json(path / "model_index.json")
    facts = path / "darkroom.json"
    known = _json(facts) if facts.exists() else {}
    return ModelFolder(
        path=path,
        pipeline=str(index.get("_class_name")),
        parts={key: (value[0], value[1]) for key, value in index.items() if isinstance(value, list)},
        scheduler=_json(path / "scheduler" / "scheduler_config.json"),
        facts=known,
        version=str(known.get("version") or _digest(path)),
    )


def limits_of(folder: ModelFolder, defaults: Limits) -> Limits:
    """The bounds of darkroom.json where it has them."""
    facts = folder.facts
    sides = [facts[side] for side in ("width", "height") if side in facts]
    found: dict[str, Any] = {
        "tasks": tuple(facts["tasks"]) if "tasks" in facts else None,
        "multiple": max((side["multiple"] for side in sides if "multiple" in side), default=None),
        "min_side": min((side["min"] for side in sides if "min" in side), default=None),
        "max_side": max((side["max"] for side in sides if "max" in side), default=None),
        "max_pixels": facts.get("max_pixels"),
        "max_steps": facts.get("steps", {}).get("max"),
        "max_guidance": facts.get("guidance", {}).get("max"),
        "max_count": facts.get("max_count"),
    }
    return replace(defaults, **{key: value for key, value in found.items() if value is not None})


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        raise EngineBroken(f"the model folder has no readable {path.parent.name}/{path.name}") from None
    if not isinstance(content, dict):
        raise EngineBroken(f"{path.parent.name}/{path.name} of the model folder holds no object")
    return content


def _digest(path: Path) -> str:
    """Weights are gigabytes: their sizes and every configuration tell models apart well enough for a batch key."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes() if file.suffix == ".json" else b"")
    return digest.hexdigest()[:12]
