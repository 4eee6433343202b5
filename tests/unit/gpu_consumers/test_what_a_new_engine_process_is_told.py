"""What an engine process leaves undone when it ends: who is charged with the end, and what the next one is told."""

from __future__ import annotations

import pytest

from gpu_consumers.frames import Drop, Run, Task, Warm
from gpu_consumers.orders import Orders

TASK = Task(
    task="text-to-image", prompt="a secret", negative_prompt="", width=8, height=8, steps=1, guidance=1.0, seed=0,
    count=1, frames=1, fps=1, format="png",
)  # fmt: skip


def run(number: int) -> Run:
    return Run(run=number, model="m@1", engine="noop", path="", options={}, tasks=[TASK])


@pytest.fixture
def orders() -> Orders:
    orders = Orders()
    for number in (1, 2, 3):
        orders.add(run(number))
    return orders


def test_those_that_had_begun_are_charged(orders: Orders) -> None:
    orders.began(1)
    orders.began(2)
    assert orders.bury(first_if_none_began=True) == [1, 2]
    assert [type(order) for order in orders.again()] == [Warm, Run]
    assert 3 in orders


def test_none_has_begun_so_it_was_loading_the_first_that_it_was_not_through_with(orders: Orders) -> None:
    orders.began(1)
    orders.is_through(1)
    assert orders.bury(first_if_none_began=True) == [2]
    assert [order for order in orders.again() if isinstance(order, Run)] == [run(1), run(3)]


def test_through_with_all_it_was_encoding_the_first(orders: Orders) -> None:
    for number in (1, 2, 3):
        orders.is_through(number)
    assert orders.bury(first_if_none_began=True) == [1]


def test_an_end_that_is_no_runs_fault_is_charged_to_none(orders: Orders) -> None:
    assert orders.bury(first_if_none_began=False) == []
    assert list(orders.again()) == [run(1), run(2), run(3)]


def test_an_aborted_run_is_neither_charged_nor_told_again(orders: Orders) -> None:
    orders.began(1)
    orders.abort(1)
    assert orders.bury(first_if_none_began=False) == []
    assert 1 not in orders


def test_cancels_are_told_again(orders: Orders) -> None:
    orders.drop(2, [0])
    assert list(orders.again()) == [run(1), run(2), Drop(run=2, places=[0]), run(3)]


def test_what_a_new_process_is_warmed_with_holds_no_words_of_an_owner(orders: Orders) -> None:
    orders.began(1)
    assert orders.like is not None
    assert [task.prompt for task in orders.like.tasks] == [""]
