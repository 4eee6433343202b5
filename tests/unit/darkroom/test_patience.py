from darkroom.system.patience import LIMIT, LONGEST_S, STILLBORN, WITHIN_S, Patience


def test_the_pause_grows_with_each_failure_up_to_a_bound() -> None:
    patience = Patience(clock=lambda: 0.0)
    pauses = [pause for _ in range(LIMIT - 1) if (pause := patience.failed(was_ready=True))]
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1] <= LONGEST_S


def test_too_many_failures_in_a_short_time_are_enough() -> None:
    patience = Patience(clock=lambda: 0.0)
    assert [patience.failed(was_ready=True) is None for _ in range(LIMIT)] == [False] * (LIMIT - 1) + [True]


def test_failures_of_long_ago_are_forgiven() -> None:
    now = 0.0
    patience = Patience(clock=lambda: now)
    for _ in range(3 * LIMIT):
        now += WITHIN_S / (LIMIT - 1)
        assert patience.failed(was_ready=True) is not None


def test_what_never_becomes_ready_is_soon_enough_however_slowly_it_dies() -> None:
    now = 0.0
    patience = Patience(clock=lambda: now)
    answers = []
    for _ in range(STILLBORN):
        now += 10 * WITHIN_S
        answers.append(patience.failed(was_ready=False) is None)
    assert answers == [False] * (STILLBORN - 1) + [True]


def test_a_life_in_between_starts_the_count_of_stillborn_ones_anew() -> None:
    now = 0.0
    patience = Patience(clock=lambda: now)
    for was_ready in (False, True) * STILLBORN:
        now += WITHIN_S
        assert patience.failed(was_ready=was_ready) is not None
