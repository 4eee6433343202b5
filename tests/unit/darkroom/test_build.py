from typing import Any

import pytest

from contracts.events import Inputs, Job
from darkroom.build import build_job, checked
from darkroom.errors import InvalidJob


def test_options_go_where_they_belong() -> None:
    job = build_job("a red circle", "acme", {"width": 160, "seed": 7, "priority": "paid", "ttl_s": 5, "id": "x"})
    assert job == Job(
        id="x",
        tenant="acme",
        task="text-to-image",
        inputs=Inputs(prompt="a red circle", width=160, seed=7),
        priority="paid",
        ttl_s=5.0,
    )


def test_a_job_without_an_id_gets_its_own() -> None:
    assert build_job("x", "acme", {}).id != build_job("x", "acme", {}).id


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"width": "wide"}, "inputs.width"),
        ({"priority": "vip"}, "priority"),
        ({"id": "no spaces"}, "id"),
        ({"colour": "red"}, "colour"),
        ({"metadata": {"a": object()}}, "job"),
        ({"guidance": float("nan")}, "job"),
        ({"negative_prompt": "\ud800"}, "event"),
    ],
)
def test_a_job_that_would_be_refused_is_not_built(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        build_job("x", "acme", options)
    assert caught.value.field == field


def test_who_asks_must_be_known() -> None:
    with pytest.raises(InvalidJob, match="tenant"):
        build_job("x", None, {})


def test_a_job_made_by_hand_is_checked_too() -> None:
    with pytest.raises(InvalidJob) as caught:
        checked(Job(id="", tenant="acme", task="text-to-image", inputs=Inputs(prompt="x")))
    assert caught.value.field == "id"
