"""The same stories with predictions and deadlines on all jobs: nothing is lost and nothing runs twice where jobs go by slack."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from contracts.catalog import Catalog
from streams.policy import bill, rush, turn, workers
from streams.policy.batching import Scheduler
from streams.policy.cost_model import CostModel
from tests.unit.streams.policy.batching.story import Story
from tests.unit.streams.policy.batching.world import Violation
from tests.unit.streams.policy.batching.wrong import DeafToCancels, NeverExpires

if TYPE_CHECKING:
    from streams.policy.turn import Turn

STORIES = 600
MEANT = ("a batch left with room for jobs of its key", "less important tiers got more than their floor")
"""What the world does not know: company must make nobody late, and who has time gives way."""


class WithCosts(Scheduler):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, costs=CostModel(Catalog(defaults={}, models=[])), **options)


class Dated(Story):
    """Every job has a deadline."""

    def _queue(self, name: str, key: str, **changes: object) -> None:
        at = self.world.now + self._dice.choice([1.0, 3.0, 5.0, 30.0, 400.0])
        super()._queue(name, key, **{"deadline": at, **changes})


@pytest.fixture(autouse=True)
def by_slack(monkeypatch: pytest.MonkeyPatch) -> list[Turn]:
    """Turns by slack, whenever there is one; a worker gets a batch as soon as it has room, as the world expects."""
    taken: list[Turn] = []
    usual = turn._by_slack

    def noted(*args: Any) -> Turn | None:
        found = usual(*args)
        taken.extend([found] if found else [])
        return found

    monkeypatch.setattr(turn, "_by_slack", noted)
    monkeypatch.setattr(rush.Rush, "on", lambda *_: True)
    monkeypatch.setattr(workers, "AHEAD_S", 1e9)
    monkeypatch.setattr(bill.Predicted, "pays", lambda _: True)
    return taken


def _tell_many(make: type[Scheduler]) -> None:
    for seed in range(STORIES):
        try:
            Dated(make, Random(seed)).tell(40)
        except Violation as violation:
            if str(violation) not in MEANT:
                raise


def test_every_other_promise_holds(by_slack: list[Turn]) -> None:
    _tell_many(WithCosts)
    assert len(by_slack) > STORIES


@pytest.mark.parametrize("wrong", [DeafToCancels, NeverExpires])
def test_a_scheduler_that_breaks_one_is_noticed(wrong: type[Scheduler]) -> None:
    with pytest.raises(Violation):
        _tell_many(type("Wrong", (wrong, WithCosts), {}))
