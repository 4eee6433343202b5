from __future__ import annotations

from typing import Any

import pytest

from contracts.codec import encode
from contracts.events import Dead, Inputs, Job, JobError, Repro
from darkroom.cli.dead import _of, _one
from darkroom.errors import DarkroomError
from darkroom.letters import MAX_ID, Letter, NotReplayable, job_again

JOB = Job(id="a", tenant="acme", task="text-to-image", inputs=Inputs(prompt="a red circle"), model="scenes")
REPRO = Repro(model="scenes@1", engine="onnx", width=8, height=8, steps=1, guidance=1.0, seed=77, count=1, frames=1, fps=1)


def letter(offset: int = 5, job: Job = JOB, handled: str | None = None, **changes: Any) -> Letter:
    about: dict[str, Any] = {"id": job.id, "tenant": job.tenant, "cause": JobError(code="engine_crashed", message=""), "at": 1.0}
    where: dict[str, Any] = {"topic": "jobs", "partition": 0, "offset": 9, "body": encode(job).decode(), "encoding": "utf-8"}
    dead = Dead(**{**about, **where, "repro": REPRO, **changes})
    return Letter(offset=offset, key=b"", dead=dead, handled=handled)


def test_a_job_that_was_accepted_runs_again_under_an_id_of_its_own_with_the_seed_it_had() -> None:
    again = job_again(letter(), exact=False)
    assert (again.id, again.inputs.seed, again.inputs.prompt, again.model) == ("a.replay-5", 77, "a red circle", "scenes")
    assert again == job_again(letter(), exact=False), "a replay repeated by accident is the same job"


def test_exactly_the_version_it_failed_on_if_asked() -> None:
    assert job_again(letter(), exact=True).model == "scenes@1"


def test_the_longest_id_still_makes_one() -> None:
    long = Job(id="x" * MAX_ID, tenant="acme", task="text-to-image", inputs=JOB.inputs)
    ids = {job_again(letter(offset, long), exact=False).id for offset in (4, 5)}
    assert {len(id) for id in ids} == {MAX_ID}
    assert len(ids) == 2


def test_a_job_that_was_refused_is_sent_as_it_was() -> None:
    assert job_again(letter(repro=None), exact=False) == JOB


@pytest.mark.parametrize("changes", [{"body": "{nope"}, {"body": "", "encoding": "null"}, {"body": "/w==", "encoding": "base64"}])
def test_what_holds_no_job_cannot_be_replayed(changes: dict[str, Any]) -> None:
    with pytest.raises(NotReplayable, match="a holds no job"):
        job_again(letter(**changes), exact=False)


def test_a_letter_is_found_by_its_job_or_by_its_place() -> None:
    mine = letter()
    assert _of([mine], "a", None) == _of([mine], "jobs/0/9", "acme") == [mine]
    for id, tenant in (("b", None), ("a", "other")):
        with pytest.raises(DarkroomError, match="No dead letter"):
            _of([mine], id, tenant)


def test_a_letter_is_handled_once() -> None:
    with pytest.raises(DarkroomError, match=r"a was dropped before\."):
        _one([letter(handled="dropped")], "a")


def test_two_letters_of_one_id_have_to_be_told_apart() -> None:
    several = [letter(5), letter(6, tenant="other")]
    with pytest.raises(DarkroomError, match="several dead letters"):
        _one(several, "a")
    assert _one(_of(several, "a", "other"), "a").offset == 6
