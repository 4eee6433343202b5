"""The system that is fuzzed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from loadtest.crew.noop import NOOP

ANYTHING = replace(
    NOOP,
    tasks=["text-to-image", "image-to-image", "text-to-video", "image-to-video"],
    max_side=4096,
    max_pixels=16777216,
    max_steps=1000,
    max_frames=16,
    batch_cap=256,
)
"""A stand-in model only: what is tried is the way to it."""


def lives(up: Mapping[str, Any]) -> dict[str, int]:
    """Process id of each part, by the system's own note of now: one that died has another."""
    note = Path(up["logs"]).parent / "up.json"
    return {one["name"]: one["pid"] for one in json.loads(note.read_bytes())["processes"]}
