"""From a run on the stopwatch to what the scheduler is told of it."""

from __future__ import annotations

from contracts.codec import encode
from gpu_consumers.flight import Flight, Source, open_batch
from gpu_consumers.frames import Timed
from gpu_consumers.ran import KEPT, Runs
from tests.support.batches import batch, queued

TIMED = Timed(places=[0, 2], seconds=1.5, load_s=0.25, cold=True, device="cpu", memory_bytes=7)


def flight() -> Flight:
    jobs = [queued("a", steps=4), queued("b", steps=9), queued("c", steps=6, count=3)]
    return open_batch(1, Source(topic="batches.default", partition=0, offset=0), encode(batch("b1", jobs)), 0.0)


def test_only_the_jobs_that_ran_count_and_nothing_of_them_is_told_but_numbers() -> None:
    runs = Runs()
    runs.note(flight(), TIMED)
    (told,) = runs.take()
    assert (told.key, told.model, told.engine, told.device) == ("noop/1", "noop@1", "noop", "cpu")
    assert (told.pixels, told.rows, told.steps, told.row_steps) == (64 * 64, 1 + 3, 6, 4 + 3 * 6)
    assert (told.seconds, told.load_s, told.cold, told.memory_bytes) == (1.5, 0.25, True, 7)
    assert b"secret" not in encode(told)
    assert runs.take() == []


def test_a_device_may_be_given_a_name_of_its_own() -> None:
    runs = Runs("cpu-small")
    runs.note(flight(), TIMED)
    assert (runs.device, runs.take()[0].device) == ("cpu-small", "cpu-small")


def test_what_no_report_takes_is_dropped_oldest_first() -> None:
    runs, one = Runs(), flight()
    for number in range(KEPT + 5):
        runs.note(one, Timed(places=[0], seconds=float(number + 1), load_s=0.0, cold=False, device="cpu", memory_bytes=None))
    assert [run.seconds for run in runs.take()] == [float(number + 1) for number in range(5, KEPT + 5)]
