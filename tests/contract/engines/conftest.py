"""Every engine, loaded once for the whole suite."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engines import Engine
from engines.folder import BUILTIN
from engines.registry import load
from tests.support import tiny_pipelines
from tests.support.toy_backend import DDIM, toy_engine

HAS_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "diffusers", "transformers", "onnx"))


@dataclass(frozen=True, kw_only=True)
class Case:
    """An engine and what may be asked of it."""

    name: str
    load: Callable[[Path], Engine]
    size: int = 64
    """Pixels, each side: a size the model takes."""
    small: int = 32
    """Pixels of a smaller side that it takes as well."""
    tolerance: int = 1
    """Levels of 255 by which a picture may differ when it shares its forward passes: the order of additions in a
    matrix product depends on the batch, by some 1e-6, which now and then tips a level's rounding."""
    draws: bool = True
    """Whether the picture depends on the prompt."""
    limited: bool = True
    """Whether there is anything it cannot do."""


def _tiny_onnx(folder: Path) -> Engine:
    from engines.builtin.onnx_graphs import export_graphs

    pipeline = tiny_pipelines.stable_diffusion_3()
    path = tiny_pipelines.save(pipeline, folder)
    export_graphs(path, (pipeline.text_encoder, pipeline.text_encoder_2), pipeline.transformer, pipeline.vae)
    return load("onnx", str(path), {"threads": 1})


def _tiny(make: Callable[[], object]) -> Callable[[Path], Engine]:
    return lambda folder: load("diffusers", str(tiny_pipelines.save(make(), folder)), {"device": "cpu", "threads": 1})


CASES = [
    Case(
        name="noop",
        load=lambda _: load("noop", "", {"full_size": True, "base_s": 0.0, "picture_s": 0.0}),
        draws=False,
        limited=False,
    ),
    Case(name="toy", load=lambda _: toy_engine(), tolerance=0),
    Case(name="toy-padded", load=lambda _: toy_engine(buckets=(1, 2, 4, 8, 16)), tolerance=0),
    Case(name="toy-ancestral", load=lambda _: toy_engine(scheduler=DDIM), tolerance=0),
    Case(name="onnx-builtin", load=lambda _: load("onnx", "", {"threads": 1}), size=128, small=96),
]
TORCH = [
    Case(name="onnx-tiny", load=_tiny_onnx),
    Case(name="diffusers-sd3", load=_tiny(tiny_pipelines.stable_diffusion_3)),
    Case(name="diffusers-sd", load=_tiny(tiny_pipelines.stable_diffusion), size=32, small=16),
    Case(name="diffusers-builtin", load=lambda _: load("diffusers", "", {"device": "cpu", "threads": 1}), size=128, small=96),
]


def _skip(case: Case) -> list[pytest.MarkDecorator]:
    marks = [pytest.mark.torch] if case in TORCH else []
    if case in TORCH and not HAS_TORCH:
        marks.append(pytest.mark.skip(reason="needs the [torch] extra"))
    if case.name.endswith("builtin") and not (BUILTIN / "model_index.json").exists():
        marks.append(pytest.mark.skip(reason="the built-in model is not in this checkout"))
    return marks


@pytest.fixture(scope="session", params=[pytest.param(case, id=case.name, marks=_skip(case)) for case in [*CASES, *TORCH]])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(scope="session")
def loaded(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return case.load(tmp_path_factory.mktemp("model"))


@pytest.fixture
def engine(loaded: Engine) -> Iterator[Engine]:
    """An engine with nothing in it, and nothing left in it."""
    assert loaded.active == 0
    yield loaded
    assert loaded.active == 0


@pytest.fixture
def drawing(case: Case, engine: Engine) -> Engine:
    """An engine whose picture depends on what it is told."""
    if not case.draws:
        pytest.skip("draws flat colours by seed")
    return engine
