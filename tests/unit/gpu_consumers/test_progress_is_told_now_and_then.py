"""`running` on `status`."""

from __future__ import annotations

import msgspec

from contracts.codec import encode
from contracts.events import Status
from contracts.records import Record
from contracts.topics import Topics
from gpu_consumers.cancels import Cancels
from gpu_consumers.flight import Flight, Source, open_batch
from gpu_consumers.frames import Started, Stepped
from gpu_consumers.status import EVERY_S, Progress
from tests.support.batches import batch, queued


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def flight() -> Flight:
    jobs = [queued("a", steps=30), queued("b", steps=10, attempt=3)]
    return open_batch(1, Source(topic="t", partition=0, offset=0), encode(batch("b", jobs)), 0.0)


def read(records: list[Record]) -> list[Status]:
    return [msgspec.json.decode(one.value or b"", type=Status) for one in records]


def test_every_job_is_told_to_have_begun() -> None:
    told = read(Progress(Topics(), Clock()).started(flight(), Started(run=1, at=99.0, places=[0, 1], loaded=[])))
    assert [(one.id, one.state, one.step, one.steps, one.attempt, one.at) for one in told] == [
        ("a", "running", 0, 30, 1, 99.0),
        ("b", "running", 0, 10, 3, 99.0),
    ]


def test_steps_are_told_at_most_twice_a_second() -> None:
    clock = Clock()
    progress, one = Progress(Topics(), clock), flight()
    progress.started(one, Started(run=1, at=clock.now, places=[0, 1], loaded=[]))
    counts = []
    for step in range(1, 21):
        clock.now += EVERY_S / 4
        counts.append(len(progress.stepped(one, Stepped(run=1, steps=[(0, step, 30), (1, step, 10)]))))
    assert sum(counts) == 2 * 20 / 4
    assert set(counts) == {0, 2}


def test_a_job_with_an_outcome_is_not_told_to_run() -> None:
    clock = Clock()
    progress, one = Progress(Topics(), clock), flight()
    one.pending = {1}
    told = read(progress.stepped(one, Stepped(run=1, steps=[(0, 3, 30), (1, 3, 10)])))
    assert [(status.id, status.step) for status in told] == [("b", 3)]


def test_cancels_are_remembered_up_to_a_number() -> None:
    cancels = Cancels(kept=3)
    for number in range(5):
        cancels.add("t", str(number))
    assert [("t", str(number)) in cancels for number in range(5)] == [False, False, True, True, True]
    assert ("other", "4") not in cancels
