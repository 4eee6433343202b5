"""One batch in an engine whose steps can be made to fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from engines import EngineBroken, Incompatible, OutOfMemory, Poison, Request, StepReport, Unsupported
from engines.noop import NoopEngine, NoopOptions
from gpu_consumers.run import BatchRun

Hook = Callable[[Sequence[Request]], None]


def requests(count: int, steps: int = 3) -> list[Request]:
    return [
        Request(id=str(n), task="text-to-image", prompt=f"secret {n}", width=8, height=8, steps=steps, guidance=1.0, seed=n)
        for n in range(count)
    ]


def engine(hook: Hook | None = None) -> NoopEngine:
    return NoopEngine(NoopOptions(), sleep=lambda _: None, hook=hook)


def through(run: BatchRun, limit: int = 1000) -> tuple[list[str], dict[str, str]]:
    """Finished ids, and failed ones with their code."""
    finished: list[str] = []
    failed: dict[str, str] = {}
    for _ in range(limit):
        if run.over:
            break
        report = run.step()
        finished += [one.request_id for one in report.finished]
        failed |= {one.request_id: one.error.code for one in report.failed}
    assert run.over, "the run never came to an end"
    assert len(finished) == len(set(finished))
    assert not set(finished) & failed.keys()
    return finished, failed


def test_every_request_of_a_healthy_batch_finishes_once() -> None:
    finished, failed = through(BatchRun(engine(), requests(5)))
    assert sorted(finished) == list("01234")
    assert not failed


def test_a_batch_too_large_for_the_device_is_run_in_parts() -> None:
    def device(inside: Sequence[Request]) -> None:
        if len(inside) > 2:
            raise OutOfMemory(len(inside))

    run = BatchRun(engine(device), requests(7))
    finished, failed = through(run)
    assert sorted(finished) == list("0123456")
    assert not failed
    assert run.squeezed == list("456"), "the last that did not fit is known"


def test_one_request_too_large_for_the_device_fails_alone_and_may_be_retried() -> None:
    def device(inside: Sequence[Request]) -> None:
        if any(one.id == "3" for one in inside):
            raise OutOfMemory(len(inside))

    run = BatchRun(engine(device), requests(6))
    finished, failed = through(run)
    assert failed == {"3": "out_of_memory"}
    assert sorted(finished) == list("01245")


def test_for_one_request_too_large_for_the_device_others_there_are_let_go() -> None:
    others = ["another model"]

    def device(inside: Sequence[Request]) -> None:
        if len(inside) > (0 if others else 1):
            raise OutOfMemory(len(inside))

    def make_room() -> bool:
        return bool(others and others.pop())

    run = BatchRun(engine(device), requests(3), make_room)
    finished, failed = through(run)
    assert (sorted(finished), failed, others) == (list("012"), {}, [])
    assert run.squeezed == list("01"), "what was too much for a batch is known"


@pytest.mark.parametrize("named", [True, False], ids=["poison names its request", "a fault names nobody"])
def test_one_bad_request_never_fails_its_neighbours(named: bool) -> None:
    def broken(inside: Sequence[Request]) -> None:
        if any(one.id == "2" for one in inside):
            if named:
                raise Poison("2", "latents are not numbers")
            raise ValueError("secret 2")

    finished, failed = through(BatchRun(engine(broken), requests(8)))
    assert failed == {"2": "poison" if named else "engine_error"}
    assert sorted(finished) == list("0134567")


def test_what_an_unforeseen_exception_says_is_not_told() -> None:
    def broken(inside: Sequence[Request]) -> None:
        raise ValueError(inside[0].prompt)

    run = BatchRun(engine(broken), requests(1))
    failed = [one for _ in range(5) for one in run.step().failed]
    assert [str(one.error) for one in failed] == ["ValueError"]
    assert failed[0].error.retryable


class Picky(NoopEngine):
    """Refuses at the door."""

    def __init__(self, *refused: str) -> None:
        super().__init__(NoopOptions(), sleep=lambda _: None)
        self.refused = refused

    def admit(self, requests: Sequence[Request]) -> None:
        for request in requests:
            if request.id in self.refused:
                raise Unsupported("width", "is not a multiple of 16", request.id)
        super().admit(requests)


def test_a_request_the_model_cannot_do_is_refused_and_the_others_run() -> None:
    run = BatchRun(Picky("0", "4"), requests(5))
    finished, failed = through(run)
    assert failed == {"0": "unsupported", "4": "unsupported"}
    assert sorted(finished) == list("123")


def test_requests_that_share_no_forward_pass_run_one_after_the_other() -> None:
    several = requests(4)
    wide = [Request(id="9", task="text-to-image", prompt="", width=16, height=8, steps=2, guidance=1.0, seed=1)]
    finished, failed = through(BatchRun(engine(), several + wide))
    assert failed == {"9": Incompatible.code}
    assert sorted(finished) == list("0123")


class Forgetful(NoopEngine):
    """Loses a request without a word."""

    def step(self) -> StepReport:
        self.cancel("1")
        return super().step()


def test_a_request_that_an_engine_loses_fails_instead_of_hanging() -> None:
    run = BatchRun(Forgetful(NoopOptions(), sleep=lambda _: None), requests(2))
    finished, failed = through(run)
    assert finished == ["0"]
    assert failed == {"1": "engine_error"}


def test_a_broken_engine_is_told_of_and_what_was_left_is_known() -> None:
    def broken(inside: Sequence[Request]) -> None:
        raise EngineBroken

    run = BatchRun(engine(broken), requests(3))
    run.step()
    with pytest.raises(EngineBroken):
        run.step()
    assert sorted(run.left) == list("012")


def test_a_cancelled_request_leaves_at_the_next_step_and_the_others_go_on() -> None:
    machine = engine()
    run = BatchRun(machine, requests(3, steps=10))
    run.step()
    run.step()
    assert run.cancel(["1", "no such"]) == ["1"]
    assert machine.active == 2
    finished, failed = through(run)
    assert sorted(finished) == ["0", "2"]
    assert not failed


def test_a_request_is_cancelled_while_it_waits_for_its_part_of_a_split_batch() -> None:
    def device(inside: Sequence[Request]) -> None:
        if len(inside) > 1:
            raise OutOfMemory(len(inside))

    run = BatchRun(engine(device), requests(2, steps=1))
    run.step()
    run.step()
    assert run.cancel(["1"]) == ["1"]
    finished, _ = through(run)
    assert finished == ["0"]


def test_a_stopped_run_is_over_and_leaves_the_engine_empty() -> None:
    machine = engine()
    run = BatchRun(machine, requests(3))
    run.step()
    run.stop()
    assert run.over
    assert machine.active == 0
