"""Who comes in, how steps are told, who goes out."""

from __future__ import annotations

from typing import Any

import pytest

from engines import Engine, Incompatible, Request, Shape, Unsupported
from tests.contract.engines.conftest import Case
from tests.support.engine_runs import ask, difference, run, steps_until_done
from tests.support.images import png


@pytest.fixture
def limited(case: Case, engine: Engine) -> Engine:
    if not case.limited:
        pytest.skip("does anything")
    return engine


def test_it_is_an_engine(case: Case, engine: Engine) -> None:
    assert isinstance(engine, Engine)
    assert engine.info.engine == engine.name
    assert engine.info.version


def test_progress_counts_every_step_to_the_last(case: Case, engine: Engine) -> None:
    engine.admit([ask("a", case.size, steps=3), ask("b", case.size, steps=5)])
    told: dict[str, list[tuple[int, int]]] = {"a": [], "b": []}
    for report in steps_until_done(engine):
        for request_id, done, total in report.progress:
            told[request_id].append((done, total))
    assert told == {"a": [(i, 3) for i in range(1, 4)], "b": [(i, 5) for i in range(1, 6)]}


def test_one_finishes_in_the_report_of_its_last_step(case: Case, engine: Engine) -> None:
    engine.admit([ask("a", case.size, steps=2), ask("b", case.size, steps=3)])
    ends = [[done.request_id for done in report.finished] for report in steps_until_done(engine)]
    assert ends == [[], ["a"], ["b"]]


def test_what_was_paid_adds_up(case: Case, engine: Engine) -> None:
    engine.admit([ask("a", case.size, steps=2), ask("b", case.size, steps=4, count=2)])
    reports = steps_until_done(engine)
    done = {finished.request_id: finished for report in reports for finished in report.finished}
    assert sum(finished.share_s for finished in done.values()) == pytest.approx(
        sum(r.step_s for r in reports), rel=1e-6, abs=1e-6
    )
    assert done["b"].share_s > done["a"].share_s
    assert all(finished.run_s >= 0 and finished.batch_size == 2 for finished in done.values())


def test_a_step_of_nobody_does_nothing(engine: Engine) -> None:
    report = engine.step()
    assert not report.progress
    assert not report.finished
    assert report.rows == 0


def test_one_that_waits_can_be_cancelled(case: Case, engine: Engine) -> None:
    engine.admit([ask(size=case.size)])
    assert engine.active == 1
    assert engine.cancel("one")
    assert engine.active == 0
    assert not engine.cancel("never here")


def test_an_id_is_here_once(case: Case, engine: Engine) -> None:
    engine.admit([ask("a", case.size)])
    with pytest.raises(Incompatible) as error:
        engine.admit([ask("b", case.size), ask("a", case.size)])
    assert (error.value.field, error.value.request_id) == ("id", "a")
    assert engine.active == 1, "all or none"
    engine.cancel("a")


def test_other_sizes_wait_for_their_own_batch(case: Case, engine: Engine) -> None:
    engine.admit([ask("a", case.size)])
    other = ask("b", case.size, width=case.small)
    assert engine.batch_key(other) != engine.batch_key(ask("a", case.size))
    with pytest.raises(Incompatible) as error:
        engine.admit([other])
    assert error.value.request_id == "b"
    assert error.value.retryable
    assert set(run(engine, [ask("c", case.size)])) == {"a", "c"}, "the refusal left nothing behind"
    assert run(engine, [other]), "alone it is welcome"


def test_steps_guidance_and_seed_do_not_part_a_batch(case: Case, engine: Engine) -> None:
    keys = {engine.batch_key(ask(size=case.size, steps=i, guidance=float(i), seed=i, count=i)) for i in (1, 2, 3)}
    assert len(keys) == 1


def bad(size: int) -> list[tuple[str, Request]]:
    fields: list[tuple[str, dict[str, Any]]] = [
        ("task", {"task": "text-to-video"}),
        ("frames", {"frames": 8}),
        ("width", {"width": size + 1}),
        ("height", {"height": 1_000_000 * 16}),
        ("width", {"width": 0}),
        ("steps", {"steps": 0}),
        ("steps", {"steps": 1_000_000}),
        ("guidance", {"guidance": float("nan")}),
        ("guidance", {"guidance": -1.0}),
        ("count", {"count": 0}),
        ("seed", {"seed": -1}),
        ("seed", {"seed": 2**63}),
        ("sampler", {"sampler": "no-such-sampler"}),
        ("image", {"task": "image-to-image"}),
        ("image", {"image": png(16)}),
        ("image", {"task": "image-to-image", "image": b"GIF89a not one of ours"}),
        ("strength", {"strength": 0.0}),
    ]
    return [(name, ask("bad", size, **changed)) for name, changed in fields]


@pytest.mark.parametrize("number", range(len(bad(64))))
def test_what_it_cannot_do_is_named(case: Case, limited: Engine, number: int) -> None:
    field, request = bad(case.size)[number]
    for refuse in (limited.check, lambda request: limited.admit([request])):
        with pytest.raises(Unsupported) as error:
            refuse(request)
        assert (error.value.field, error.value.request_id) == (field, "bad")
        assert request.prompt not in str(error.value)
        assert not error.value.retryable
    assert limited.active == 0


def test_a_refusal_leaves_the_others_alone(case: Case, limited: Engine) -> None:
    plain = run(limited, [ask("a", case.size)])["a"].images
    limited.admit([ask("a", case.size)])
    limited.step()
    with pytest.raises(Unsupported):
        limited.admit([ask("b", case.size), ask("bad", case.size, steps=0)])
    assert limited.active == 1
    assert difference(run(limited, [])["a"].images, plain) == 0


def test_a_broken_image_fails_alone(case: Case, limited: Engine) -> None:
    whole = png(case.size)
    fields: dict[str, Any] = {"task": "image-to-image", "strength": 0.5}
    limited.admit(
        [ask("broken", case.size, image=whole[: len(whole) // 2], **fields), ask("fine", case.size, image=whole, **fields)]
    )
    reports = steps_until_done(limited)
    (failure,) = [failure for report in reports for failure in report.failed]
    assert failure.request_id == "broken"
    assert isinstance(failure.error, Unsupported)
    assert failure.error.field == "image"
    assert [done.request_id for report in reports for done in report.finished] == ["fine"]


def test_warming_up_leaves_nothing_and_changes_nothing(case: Case, engine: Engine) -> None:
    before = run(engine, [ask(size=case.size)])["one"].images
    engine.warm_up([Shape(case.size, case.size, 1), Shape(case.size, case.small, 2)])
    assert engine.active == 0
    assert difference(run(engine, [ask(size=case.size)])["one"].images, before) == 0
