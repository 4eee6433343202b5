from darkroom.system.patience import LIMIT, LONGEST_S, WITHIN_S, Patience


def test_the_pause_grows_with_each_failure_up_to_a_bound() -> None:
    patience = Patience(clock=lambda: 0.0)
    pauses = [pause for _ in range(LIMIT - 1) if (pause := patience.failed())]
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1] <= LONGEST_S


def test_too_many_failures_in_a_short_time_are_enough() -> None:
    patience = Patience(clock=lambda: 0.0)
    assert [patience.failed() is None for _ in range(LIMIT)] == [False] * (LIMIT - 1) + [True]


def test_failures_of_long_ago_are_forgiven() -> None:
    now = 0.0
    patience = Patience(clock=lambda: now)
    for _ in range(3 * LIMIT):
        now += WITHIN_S / (LIMIT - 1)
        assert patience.failed() is not None
