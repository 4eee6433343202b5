"""What a CUDA device tells of its memory: one quantity for what a batch takes and what there is for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engines.registry import load
from tests.support import tiny_pipelines
from tests.support.engine_runs import ask, run

if TYPE_CHECKING:
    from pathlib import Path

    from engines import Engine, Memory

torch = pytest.importorskip("torch", reason="needs the [torch] extra")
pytest.importorskip("diffusers", reason="needs the [torch] extra")
pytestmark = [pytest.mark.torch, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")]

BLOCK = 256 * 2**20
SLACK = 32 * 2**20
"""What an allocator takes in whole blocks, and libraries when they are used first."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder: Path = tiny_pipelines.save(tiny_pipelines.stable_diffusion(), tmp_path_factory.mktemp("model") / "sd")
    return load("diffusers", str(folder), {"device": "cuda"})


def _told(engine: Engine) -> Memory:
    memory = engine.memory()
    assert memory is not None
    return memory


def _peak_of(engine: Engine, jobs: int) -> int:
    """On top of the model."""
    run(engine, [ask(f"{n}") for n in range(jobs)])  # the first of a size reserves memory
    before = _told(engine).used
    run(engine, [ask(f"{n}") for n in range(jobs)])
    return _told(engine).peak - before


def test_all_of_the_device_is_there_however_much_of_it_is_in_use_or_kept_by_the_allocator(engine: Engine) -> None:
    whole = _told(engine).whole
    block: Any = torch.empty(BLOCK, dtype=torch.uint8, device="cuda")
    with_block = _told(engine)
    assert whole == pytest.approx(with_block.whole, abs=SLACK)
    del block
    without = _told(engine)
    assert whole == pytest.approx(without.whole, abs=SLACK)
    assert with_block.used - without.used == pytest.approx(BLOCK, abs=SLACK)
    assert without.peak >= BLOCK, "since it was asked last"
    assert _told(engine).peak < BLOCK, "and not before"


def test_a_larger_batch_takes_more_and_leaves_nothing_behind(engine: Engine) -> None:
    one, eight = _peak_of(engine, 1), _peak_of(engine, 8)
    assert 0 < one < eight
    used = _told(engine).used
    _peak_of(engine, 8)
    assert _told(engine).used == pytest.approx(used, abs=SLACK)
