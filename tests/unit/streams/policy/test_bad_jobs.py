from __future__ import annotations

import msgspec
import pytest

from contracts.errors import ERROR_CODES
from streams.policy.cost_model import CostModel
from streams.policy.decode import keep, read_job, sender_of, unkeep
from streams.policy.place import place
from streams.policy.price import too_dear
from streams.policy.rejected import Rejected
from streams.policy.validate import Models
from tests.support.bad_jobs import BAD, USED, Bad

MODELS, COSTS = Models(USED), CostModel(USED)


def rejection(bad: Bad) -> Rejected:
    try:
        placed = place(read_job(bad.body), MODELS, COSTS)
    except Rejected as rejected:
        return rejected
    dear = too_dear(placed.price_s)
    assert dear is not None, "it is taken"
    return dear


@pytest.mark.parametrize("name", BAD)
def test_a_bad_event_is_answered_with_the_field_at_fault(name: str) -> None:
    bad = BAD[name]
    error = rejection(bad).error
    assert (error.code, error.message.split(":")[0]) == (bad.code, bad.field)
    assert error.code in ERROR_CODES
    assert not error.retryable


@pytest.mark.parametrize("name", BAD)
def test_the_answer_is_short_and_repeats_nothing_of_the_events_own_words(name: str) -> None:
    message = str(rejection(BAD[name]))
    assert len(message) < 160
    assert "secret" not in message
    assert "passwd" not in message


@pytest.mark.parametrize("name", BAD)
def test_the_sender_is_found_where_an_id_can_be_read(name: str) -> None:
    bad = BAD[name]
    assert sender_of(bad.body).id == bad.id


@pytest.mark.parametrize("name", BAD)
def test_the_bytes_of_a_dead_letter_can_be_sent_again_as_they_were(name: str) -> None:
    body = BAD[name].body
    assert unkeep(keep(body)) == body


def test_an_id_of_a_megabyte_is_echoed_in_part_only() -> None:
    body = msgspec.json.encode({"id": "x" * 1_000_000, "tenant": "acme"})
    assert 1000 < len(sender_of(body).id) < 20_000


def test_a_rejected_job_names_the_limit_and_the_number() -> None:
    bad = BAD["width-beyond-the-model"]
    assert str(rejection(bad)) == "inputs.width: 8192 is above this model's 4096"
