"""The judge of the fuzzer: what it must find, planted."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.events import Dead, JobError, Result
from loadtest.fuzz.judge import Sent, judge
from loadtest.fuzz.mutate import Fuzz

GOOD = Sent(partition=0, offset=0, value=b'{"id":"a","tenant":"t"}')
BAD = Sent(partition=0, offset=1, value=b"\xff{")


def letter(offset: int = 1, **changes: Any) -> Dead:
    cause = JobError(code="invalid", message="event: is not JSON")
    plain: dict[str, Any] = {"body": "/3s=", "encoding": "base64", "partition": 0}
    return Dead(id="", tenant="", cause=cause, at=1.0, topic="jobs", offset=offset, **plain | changes)


def result(**changes: Any) -> Result:
    plain: dict[str, Any] = {"id": "a", "tenant": "t", "state": "succeeded"}
    return Result(**plain | changes)


def test_a_result_for_the_good_and_a_letter_for_the_bad_is_all_there_is_to_it() -> None:
    verdict = judge([GOOD, BAD], [letter()], [result()])
    assert (verdict.records, verdict.dead, verdict.ended, verdict.problems) == (2, 1, 1, [])


@pytest.mark.parametrize(
    ("dead", "results", "problem"),
    [
        ([], [result()], "nothing is known of 0@1"),
        ([letter()], [], "nothing is known of 0@0"),
        ([letter()], [result(tenant="other")], "nothing is known of 0@0"),
        ([letter()], [result(state="rejected")], "nothing is known of 0@0"),
        ([letter(), letter()], [result()], "2 dead letters of 0@1"),
        ([letter(body="AAAA")], [result()], "the dead letter of 0@1 holds other bytes"),
        ([letter(), letter(7)], [result()], "a dead letter of (0, 7), where no record is"),
        ([letter()], [result(), result(state="failed")], "2 results of one job"),
        (
            [letter()],
            [result(), result(id="", state="rejected"), result(id="b", state="rejected")],
            "2 rejections, but 1 dead letters",
        ),
    ],
)
def test_a_planted_fault_is_found(dead: list[Dead], results: list[Result], problem: str) -> None:
    assert problem in judge([GOOD, BAD], dead, results).problems


def test_the_same_seed_spoils_the_same_way_and_another_does_not() -> None:
    assert list(Fuzz(1).records(200)) == list(Fuzz(1).records(200))
    assert list(Fuzz(1).records(200)) != list(Fuzz(2).records(200))


def test_what_it_makes_is_partly_good_and_mostly_not() -> None:
    values = [one.value for one in Fuzz(3).records(2000)]
    assert len(set(values)) > 1500
    assert 20 < sum(1 for one in values if one and b'"prompt": "a red circle"' in one and one.endswith(b"}}")) < 1900
