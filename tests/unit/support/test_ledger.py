from __future__ import annotations

import pytest

from tests.support.ledger import at_least_once_each, once_each

SENT = ["a", "b", "c"]


@pytest.mark.parametrize("check", [once_each, at_least_once_each])
def test_all_told_is_no_discrepancy(check) -> None:  # type: ignore[no-untyped-def]
    assert not check(SENT, ["c", "a", "b"])


@pytest.mark.parametrize("check", [once_each, at_least_once_each])
def test_a_lost_one_is_named(check) -> None:  # type: ignore[no-untyped-def]
    found = check(SENT, ["a", "c"])
    assert found.missing == ["b"]
    assert "1 missing" in str(found)


def test_a_doubled_one_is_named_where_once_was_promised() -> None:
    assert once_each(SENT, ["a", "b", "b", "c"]).doubled == ["b"]


def test_a_doubled_one_is_no_fault_where_at_least_once_was_promised() -> None:
    assert not at_least_once_each(SENT, ["a", "b", "b", "c"])


@pytest.mark.parametrize("check", [once_each, at_least_once_each])
def test_one_that_was_never_sent_is_named(check) -> None:  # type: ignore[no-untyped-def]
    assert check(SENT, [*SENT, "x"]).unknown == ["x"]
