"""Whatever the order of joining, cancelling and failing: everyone who came in leaves exactly once."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engines import Engine, Incompatible, OutOfMemory, Poison
from engines.noop import NoopEngine, NoopOptions
from tests.support.engine_runs import ask
from tests.support.toy_backend import ToyBackend, toy_engine

CAPACITY = 12


class Door(RuleBasedStateMachine):
    """Counts who goes in and who comes out, as a caller would."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = self.open()
        self.inside: dict[str, int] = {}
        self.left: list[str] = []
        self.told: dict[str, int] = {}
        self.number = 0
        self.too_many = CAPACITY + 1

    def open(self) -> Engine:
        return toy_engine(ToyBackend(capacity=CAPACITY), buckets=(1, 2, 4, 8))

    @rule(
        kinds=st.lists(
            st.tuples(st.integers(1, 4), st.sampled_from([0.0, 1.0, 3.0]), st.integers(1, 3), st.booleans()), max_size=4
        )
    )
    def come_in(self, kinds: list[tuple[int, float, int, bool]]) -> None:
        requests = []
        for steps, guidance, count, bad in kinds:
            self.number += 1
            prompt = "poison" if bad else f"number {self.number % 3}"
            requests.append(
                ask(f"r{self.number}", 16, steps=steps, guidance=guidance, count=count, seed=self.number, prompt=prompt)
            )
        self.engine.admit(requests)
        self.inside |= {request.id: request.steps for request in requests}
        self.told |= dict.fromkeys((request.id for request in requests), 0)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def come_in_twice(self, data: st.DataObject) -> None:
        known = data.draw(st.sampled_from(sorted(self.inside)))
        with pytest.raises(Incompatible):
            self.engine.admit([ask("fresh", 16), ask(known, 16)])

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from([*sorted(self.inside), "nobody"]))
        assert self.engine.cancel(chosen) == (chosen in self.inside)
        if self.inside.pop(chosen, None) is not None:
            self.left.append(chosen)

    @rule()
    def step(self) -> None:
        try:
            report = self.engine.step()
        except OutOfMemory as error:
            self.too_many = error.rows
            return
        for request_id, done, total in report.progress:
            assert done == self.told[request_id] + 1
            assert total == self.inside[request_id]
            self.told[request_id] = done
        for finished in report.finished:
            assert self.told[finished.request_id] == self.inside[finished.request_id]
            assert len(finished.images) == len(finished.seeds)
        for failed in report.failed:
            assert isinstance(failed.error, Poison)
        ended = [*(finished.request_id for finished in report.finished), *(failed.request_id for failed in report.failed)]
        for request_id in ended:
            del self.inside[request_id]
        self.left += ended

    @invariant()
    def nobody_is_lost(self) -> None:
        assert self.engine.active == len(self.inside)
        assert len(set(self.left)) == len(self.left)
        assert self.too_many > CAPACITY

    def teardown(self) -> None:
        """The last out: whoever does not fit goes, the rest runs to its end."""
        for _ in range(200):
            if not self.inside:
                return
            before = dict(self.told)
            self.step()
            if self.told == before and self.inside:
                last = next(reversed(self.inside))
                assert self.engine.cancel(last)
                del self.inside[last]
        raise AssertionError("the engine never came to an end")


class NoopDoor(Door):
    """The stand-in keeps the same rules; it has no memory to run out of and no poison."""

    def open(self) -> Engine:
        return NoopEngine(NoopOptions(base_s=0.0, picture_s=0.0))


Door.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
NoopDoor.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestDoor = Door.TestCase
TestNoopDoor = NoopDoor.TestCase
