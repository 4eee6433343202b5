"""Every figure that can be drawn is shown beside the text, small enough to keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.simulate.figures import FIGURES, draw

DOCS = Path(__file__).parents[4] / "docs"
KEPT_BYTES = 60_000


@pytest.mark.parametrize("name", FIGURES)
def test_it_is_shown_and_small(name: str) -> None:
    assert f"](scheduling/{name}.png)" in (DOCS / "scheduling.md").read_text()
    assert (DOCS / "scheduling" / f"{name}.png").stat().st_size < KEPT_BYTES


def test_one_is_drawn(tmp_path: Path) -> None:
    assert draw("company", tmp_path).read_bytes().startswith(b"\x89PNG")
