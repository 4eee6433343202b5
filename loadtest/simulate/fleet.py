"""The models of the simulated pools: what the catalogue says of them, and what they really cost.

Figures are of the kind that a data-centre GPU shows: at 512² batching gains about three times, at 1024² next to nothing,
and a video fills the device by itself. The table in the catalogue, which the policies start from, is a straight line fitted
by eye to single runs, 5 to 20 % off: they learn the rest.
"""

from __future__ import annotations

from contracts.catalog import Cost, ModelSpec
from contracts.events import Task
from contracts.work import Resolved
from loadtest.simulate.truth import Model


def _spec(name: str, side: int, steps: int, guidance: float, cost: Cost, *, cap: int = 8, frames: int = 1) -> ModelSpec:
    task: Task = "text-to-video" if frames > 1 else "text-to-image"
    return ModelSpec(
        name=name,
        version="1",
        engine="diffusers",
        tasks=[task],
        width=side,
        height=side,
        min_side=256,
        max_side=2048,
        multiple=16,
        max_pixels=2048 * 2048,
        steps=steps,
        max_steps=150,
        guidance=guidance,
        max_frames=frames,
        batch_cap=cap,
        cost=cost,
    )


def turbo() -> Model:
    """Four steps without guidance, 512²: 0.07 s alone, 0.19 s for eight."""
    cost = Cost(base_s=0.03, per_row_step_s=0.011, load_s=10.0)
    return Model(spec=_spec("turbo", 512, 4, 1.0, cost), floor_s=0.012, row_s=0.004, start_s=0.01, picture_s=0.004, load_s=10.0)


def base(name: str = "base", load_s: float = 20.0) -> Model:
    """Thirty steps with guidance, 512²: 0.57 s alone, 1.6 s for eight. At 1024² 1.4 s alone, 8.1 s for eight."""
    cost = Cost(base_s=0.05, per_row_step_s=0.0085, load_s=load_s)
    return Model(spec=_spec(name, 512, 30, 5.0, cost), floor_s=0.018, row_s=0.003, load_s=load_s)


def video() -> Model:
    """Twenty-five steps of 16 frames with guidance, 512²: 2.6 s alone, and two take twice as long."""
    cost = Cost(base_s=0.3, per_row_step_s=0.0028 * 16 / 16, load_s=40.0)
    spec = _spec("video", 512, 25, 5.0, cost, cap=2, frames=16)
    return Model(spec=spec, floor_s=0.03, row_s=0.003, start_s=0.05, picture_s=0.01, load_s=40.0)


def asked(model: Model, *, side: int = 0, steps: int = 0, count: int = 1) -> Resolved:
    """A job for the model, at its defaults where nothing is said."""
    spec = model.spec
    return Resolved(
        width=side or spec.width,
        height=side or spec.height,
        steps=steps or spec.steps,
        guidance=spec.guidance,
        seed=1,
        count=count,
        frames=spec.max_frames,
        fps=8,
    )
