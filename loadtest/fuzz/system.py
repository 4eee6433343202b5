"""The system that is fuzzed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def catalog(max_frames: int) -> str:
    """A stand-in model only: what is tried is the way to it."""
    return f"""
[defaults]
text-to-image = "noop"
image-to-image = "noop"
text-to-video = "noop"
image-to-video = "noop"

[[models]]
name = "noop"
version = "1"
engine = "noop"
tasks = ["text-to-image", "image-to-image", "text-to-video", "image-to-video"]
width = 64
height = 64
min_side = 8
max_side = 4096
multiple = 8
max_pixels = 16777216
steps = 4
max_steps = 1000
guidance = 1.0
batch_cap = 256
max_frames = {max_frames}
cost = {{ base_s = 0.003, per_row_step_s = 0.00001 }}
"""


CATALOG = catalog(max_frames=16)


def lives(up: Mapping[str, Any]) -> dict[str, int]:
    """Process id of each part, by the system's own note of now: one that died has another."""
    note = Path(up["logs"]).parent / "up.json"
    return {one["name"]: one["pid"] for one in json.loads(note.read_bytes())["processes"]}
