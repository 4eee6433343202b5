"""Short words for driving an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engines import Engine, Failed, Finished, Picture, Request, StepReport


def ask(request_id: str = "one", size: int = 64, **fields: Any) -> Request:
    """A small request, any field of it otherwise."""
    base: dict[str, Any] = {
        "task": "text-to-image",
        "prompt": "a red circle left of a blue square",
        "width": size,
        "height": size,
        "steps": 4,
        "guidance": 3.0,
        "seed": 7,
    }
    return Request(**{**base, **fields, "id": request_id})


def steps_until_done(engine: Engine) -> list[StepReport]:
    """Step until nobody is left; an engine that never ends fails here."""
    reports: list[StepReport] = []
    for _ in range(500):
        if not engine.active:
            return reports
        reports.append(engine.step())
    raise AssertionError("the engine never came to an end")


def run(engine: Engine, requests: Sequence[Request]) -> dict[str, Finished]:
    """Admit together, run to the end."""
    engine.admit(requests)
    return finished_in(steps_until_done(engine))


def finished_in(reports: Sequence[StepReport]) -> dict[str, Finished]:
    return {done.request_id: done for report in reports for done in report.finished}


def failed_in(reports: Sequence[StepReport]) -> dict[str, Failed]:
    return {failure.request_id: failure for report in reports for failure in report.failed}


def difference(left: Sequence[Picture], right: Sequence[Picture]) -> int:
    """Greatest difference in levels; pictures of other sizes are as different as can be."""
    if [picture.shape for picture in left] != [picture.shape for picture in right]:
        return 255
    return max(int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in zip(left, right, strict=True))
