"""The checks of the kill and churn tests can fail."""

from tests.support.chunk_crew import missing, too_early

INPUTS = {("jobs", 0): [b"a", b"b", b"c"], ("jobs", 1): [b"d"]}


def test_lost_input_is_missing() -> None:
    assert missing(INPUTS, {b"a", b"c"}) == [b"b", b"d"]
    assert missing(INPUTS, {b"a", b"b", b"c", b"d"}) == []


def test_commit_past_an_input_without_output_is_too_early() -> None:
    assert too_early({("jobs", 0): 3, ("jobs", 1): None}, INPUTS, {b"a", b"c"}) == [b"b"]
    assert too_early({("jobs", 0): 1, ("jobs", 1): 0}, INPUTS, {b"a"}) == []
