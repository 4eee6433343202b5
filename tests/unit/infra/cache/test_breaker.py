from __future__ import annotations

from infra.cache.breaker import FAILURES, FIRST_S, LONGEST_S, Breaker


def broken(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        assert breaker.may_pass(now)
        breaker.failed(now)
    return breaker


def test_one_failure_between_answers_changes_nothing() -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker.failed(0.0)
        breaker.worked()
    assert breaker.may_pass(0.0)


def test_after_failures_in_a_row_nobody_asks_for_a_while() -> None:
    assert not broken().may_pass(FIRST_S - 0.01)


def test_then_one_tries_and_the_others_wait_for_what_comes_of_it() -> None:
    breaker = broken()
    assert [breaker.may_pass(FIRST_S), breaker.may_pass(FIRST_S)] == [True, False]
    breaker.worked()
    assert breaker.may_pass(FIRST_S)


def test_each_trial_that_fails_doubles_the_wait_up_to_a_limit() -> None:
    breaker, now, waits = broken(), 0.0, []
    for _ in range(8):
        wait = 0.0
        while not breaker.may_pass(now + wait):
            wait += 0.5
        waits.append(wait)
        now += wait
        breaker.failed(now)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_S, LONGEST_S, LONGEST_S]
