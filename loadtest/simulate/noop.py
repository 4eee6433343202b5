"""The no-op engine's cost table as the simulator's truth: a run of n pictures takes base + n × picture, and all end together."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.catalog import Cost, ModelSpec
from contracts.work import Resolved
from loadtest.simulate.truth import Model

BASE_S = 0.3
PICTURE_S = 0.05
STEPS = 4

CATALOG = f"""
[defaults]
text-to-image = "noop"

[[models]]
name = "noop"
version = "1"
engine = "noop"
tasks = ["text-to-image"]
width = 64
height = 64
min_side = 64
max_side = 128
multiple = 8
max_pixels = 16384
steps = {STEPS}
max_steps = {STEPS}
guidance = 1.0
batch_cap = 8
options = {{ base_s = {BASE_S}, picture_s = {PICTURE_S} }}
cost = {{ base_s = {BASE_S}, per_row_step_s = {PICTURE_S / STEPS}, load_s = 0.05 }}
"""


class NoopModel(Model, frozen=True, kw_only=True):
    """Sizes cost the same; only pictures count."""

    def run(self, jobs: Sequence[Resolved]) -> list[float]:
        """All at the end."""
        return [self.start_s + self.picture_s * sum(job.count for job in jobs)] * len(jobs)


def noop() -> NoopModel:
    """The model of `CATALOG`."""
    spec = ModelSpec(
        name="noop",
        version="1",
        engine="noop",
        tasks=["text-to-image"],
        width=64,
        height=64,
        min_side=64,
        max_side=128,
        multiple=8,
        max_pixels=16384,
        steps=STEPS,
        max_steps=STEPS,
        guidance=1.0,
        batch_cap=8,
        cost=Cost(base_s=BASE_S, per_row_step_s=PICTURE_S / STEPS, load_s=0.05),
    )
    return NoopModel(spec=spec, floor_s=0.0, row_s=0.0, start_s=BASE_S, picture_s=PICTURE_S, load_s=0.05)
