"""The no-op engine's cost table as the simulator's truth: a run of n pictures takes base + n × picture, and all end together."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from contracts.catalog import Cost
from contracts.work import Resolved
from loadtest.crew.noop import NOOP
from loadtest.simulate.truth import Model

BASE_S = 0.3
PICTURE_S = 0.05
STEPS = NOOP.steps
LOAD_S = 0.05

SPEC = replace(
    NOOP,
    min_side=64,
    max_side=128,
    max_pixels=16384,
    max_steps=STEPS,
    options={"base_s": BASE_S, "picture_s": PICTURE_S},
    cost=Cost(base_s=BASE_S, per_row_step_s=PICTURE_S / STEPS, load_s=LOAD_S),
)
"""What the catalogue of a real run says."""


class NoopModel(Model, frozen=True, kw_only=True):
    """Sizes cost the same; only pictures count."""

    def run(self, jobs: Sequence[Resolved]) -> list[float]:
        """All at the end."""
        return [self.start_s + self.picture_s * sum(job.count for job in jobs)] * len(jobs)


def noop() -> NoopModel:
    """The model of `SPEC`."""
    return NoopModel(spec=SPEC, floor_s=0.0, row_s=0.0, start_s=BASE_S, picture_s=PICTURE_S, load_s=LOAD_S)
