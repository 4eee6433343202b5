from __future__ import annotations

import logging
from dataclasses import dataclass

from infra.observe.calm import KINDS, MOST, WITHIN_S, Calm


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def record(text: str = "no broker at %s", name: str = "aiokafka.conn", *values: str) -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, __file__, 1, text, values or ("here",), None)


def test_the_first_few_are_shown_and_the_rest_are_counted_in_the_next_one_shown() -> None:
    clock = Clock()
    calm = Calm(clock)
    assert sum(calm.filter(record()) for _ in range(1000)) == MOST
    clock.now += WITHIN_S
    late = record()
    assert calm.filter(late)
    assert vars(late)["left_out"] == 1000 - MOST


def test_other_values_are_the_same_kind_and_other_texts_and_loggers_are_not() -> None:
    calm = Calm(Clock())
    for number in range(MOST):
        assert calm.filter(record("no broker at %s", "aiokafka.conn", str(number)))
    assert not calm.filter(record("no broker at %s", "aiokafka.conn", "there"))
    assert calm.filter(record("something else"))
    assert calm.filter(record(name="faust"))


def test_what_comes_now_and_then_is_always_shown_and_bears_no_count() -> None:
    clock = Clock()
    calm = Calm(clock)
    for _ in range(100):
        one = record()
        assert calm.filter(one)
        assert "left_out" not in vars(one)
        clock.now += WITHIN_S / 2


def test_a_stream_of_ever_new_texts_does_not_fill_the_memory() -> None:
    calm = Calm(Clock())
    assert all(calm.filter(record(f"text {number}")) for number in range(3 * KINDS))
    assert len(calm._seen) <= KINDS
