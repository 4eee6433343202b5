"""Hostile pictures in one batch with a good one, in the engine that ships."""

from __future__ import annotations

import numpy as np

from engines import registry
from engines.encode import encode
from gpu_consumers.frames import LENGTH, Made, Run, Task, Told, Unmade, report_of
from gpu_consumers.inbox import Inbox
from gpu_consumers.leak import Bounds, LeakGuard
from gpu_consumers.shelf import Shelf
from gpu_consumers.tell import Teller
from gpu_consumers.work import Runner
from tests.support.hostile_pictures import BOMBS, BROKEN, OTHERS

HOSTILE = [data for name, data in (BOMBS | OTHERS | BROKEN).items() if "100-megabytes" not in name][:40]
GOOD = encode(np.zeros((96, 96, 3), dtype=np.uint8), "png").data


def task(image: bytes) -> Task:
    return Task(
        task="image-to-image", prompt="a red circle", negative_prompt="", width=96, height=96, steps=2, guidance=1.0, seed=1,
        count=1, frames=1, fps=1, format="png", image=image,
    )  # fmt: skip


def run(images: list[bytes]) -> tuple[list[Made], list[Unmade]]:
    frames: list[bytes] = []
    teller = Teller(frames.append)
    teller.start()
    order = Run(run=1, model="scenes@1", engine="onnx", path="", options={"threads": 1}, tasks=[task(one) for one in images])
    inbox = Inbox()
    inbox.put(order)
    Runner(inbox, Shelf(registry.load), teller, frames.append, LeakGuard(Bounds(), settle=teller.flush))._do(inbox.next())
    teller.flush()
    told = [one for one in (report_of(frame[LENGTH.size :]) for frame in frames) if isinstance(one, Told)]
    assert told[-1].over
    return [one for each in told for one in each.made], [one for each in told for one in each.unmade]


def test_each_hostile_picture_fails_its_own_job_naming_the_field_and_the_good_one_is_made() -> None:
    made, unmade = run([*HOSTILE[:20], GOOD, *HOSTILE[20:]])
    assert [one.place for one in made] == [20]
    assert len(unmade) == len(HOSTILE)
    assert {(one.code, one.retryable, one.message.split(":")[0]) for one in unmade} == {
        ("image_unavailable", False, "inputs.image")
    }
