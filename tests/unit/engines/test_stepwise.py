"""The step-wise engine over a model of a few lines: rows, memory, poison, embeddings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from engines import EngineBroken, EngineFault, OutOfMemory, Poison
from engines.samplers import Table
from engines.stepwise import Conditioning
from engines.stepwise.noise import noise
from tests.support.engine_runs import ask, difference, failed_in, finished_in, run, steps_until_done
from tests.support.toy_backend import DDIM, ToyBackend, toy_engine


def test_rows_are_pictures_times_branches() -> None:
    backend = ToyBackend()
    engine = toy_engine(backend)
    engine.admit([ask("a", guidance=3.0, count=2), ask("b", guidance=1.0), ask("c", guidance=0.5, count=3)])
    report = engine.step()
    assert report.rows == 2 * 2 + 1 + 3
    assert len(backend.forwards[0]) == report.rows, "no bucket, no padding"


def test_each_row_has_its_own_time() -> None:
    backend = ToyBackend()
    engine = toy_engine(backend)
    engine.admit([ask("a", steps=2, guidance=3.0)])
    engine.step()
    engine.admit([ask("b", steps=4, guidance=1.0)])
    engine.step()
    a, b, a_without = backend.forwards[1]
    assert a == a_without, "both branches of one picture are at the same time"
    assert b == 1000
    assert a < b


@pytest.mark.parametrize(("count", "rows"), [(1, 2), (2, 4), (3, 8), (5, 10)])
def test_rows_are_padded_to_the_next_bucket_and_no_further(count: int, rows: int) -> None:
    backend = ToyBackend()
    engine = toy_engine(backend, buckets=(1, 2, 4, 8))
    engine.admit([ask(guidance=2.0, count=count)])
    assert engine.step().rows == 2 * count
    assert len(backend.forwards[0]) == rows


def test_without_guidance_the_negative_prompt_is_not_even_encoded() -> None:
    backend = ToyBackend()
    run(toy_engine(backend), [ask(prompt="red", negative_prompt="blue", guidance=1.0)])
    assert backend.encoded == ["red"]


def test_prompts_that_repeat_are_encoded_once() -> None:
    backend = ToyBackend()
    engine = toy_engine(backend)
    run(engine, [ask("a", prompt="red"), ask("b", prompt="red", seed=9), ask("c", prompt="blue")])
    run(engine, [ask("d", prompt="blue", negative_prompt="red")])
    assert sorted(backend.encoded) == ["", "blue", "red"]


def test_the_empty_prompt_is_kept_when_others_are_forgotten() -> None:
    backend = ToyBackend()
    engine = toy_engine(backend)
    for number in range(70):
        run(engine, [ask(prompt=f"prompt {number}")])
    run(engine, [ask(prompt="prompt 0")])
    assert backend.encoded.count("") == 1
    assert backend.encoded.count("prompt 0") == 2, "64 are kept, not all"


def test_out_of_memory_moves_nothing_and_fewer_can_go_on() -> None:
    backend = ToyBackend(capacity=4)
    engine = toy_engine(backend)
    plain = run(engine, [ask("a"), ask("b", seed=8)])
    engine.admit([ask("a"), ask("b", seed=8), ask("c", seed=9)])
    for _ in range(2):
        with pytest.raises(OutOfMemory) as error:
            engine.step()
        assert error.value.rows == 6
    assert engine.active == 3
    assert engine.cancel("c")
    done = finished_in(steps_until_done(engine))
    assert all(difference(done[key].images, plain[key].images) == 0 for key in ("a", "b"))


def test_out_of_memory_of_a_newcomer_leaves_those_midway_where_they_were() -> None:
    backend = ToyBackend(capacity=2)
    engine = toy_engine(backend)
    plain = run(engine, [ask("a")])["a"]
    engine.admit([ask("a")])
    engine.step()
    engine.admit([ask("b")])
    with pytest.raises(OutOfMemory):
        engine.step()
    assert engine.cancel("b")
    reports = steps_until_done(engine)
    assert [progress.done for report in reports for progress in report.progress] == [2, 3, 4]
    assert difference(finished_in(reports)["a"].images, plain.images) == 0


def test_poison_fails_alone() -> None:
    engine = toy_engine()
    plain = run(engine, [ask("a")])["a"]
    engine.admit([ask("a"), ask("b", prompt="poison"), ask("c", prompt="fine", negative_prompt="poison")])
    reports = steps_until_done(engine)
    failed = failed_in(reports)
    assert set(failed) == {"b", "c"}
    assert all(isinstance(failure.error, Poison) for failure in failed.values())
    assert failed_in(reports[:1]), "seen at the first step, not after the last"
    assert difference(finished_in(reports)["a"].images, plain.images) == 0


def test_a_picture_that_does_not_fit_alone_fails_alone() -> None:
    class NarrowDecoder(ToyBackend):
        def decode(self, x: np.ndarray) -> np.ndarray:
            if len(x) > 1 or x.mean() > self.threshold:
                raise OutOfMemory(len(x))
            return super().decode(x)

        threshold = np.inf

    backend = NarrowDecoder()
    engine = toy_engine(backend)
    assert set(run(engine, [ask("a"), ask("b")])) == {"a", "b"}, "one at a time is tried"
    backend.threshold = -np.inf
    engine.admit([ask("a")])
    assert isinstance(failed_in(steps_until_done(engine))["a"].error, OutOfMemory)


def test_an_unforeseen_error_leaves_the_engine_alive_and_quotes_nothing() -> None:
    class Quoting(ToyBackend):
        def encode_text(self, prompts: Sequence[str]) -> list[Conditioning]:
            if "a secret wish" in prompts:
                raise RuntimeError(f"cannot encode {prompts}")
            return super().encode_text(prompts)

    engine = toy_engine(Quoting())
    engine.admit([ask("fine")])
    engine.step()
    engine.admit([ask(prompt="a secret wish")])
    with pytest.raises(EngineFault, match=r"RuntimeError at test_stepwise\.py") as error:
        engine.step()
    assert "secret" not in str(error.value)
    assert error.value.__suppress_context__, "a traceback would print the quoted text"
    assert engine.cancel("one")
    assert set(finished_in(steps_until_done(engine))) == {"fine"}


def test_a_lost_device_breaks_the_engine() -> None:
    class Lost(ToyBackend):
        def denoise(self, *_: Any) -> Any:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    engine = toy_engine(Lost())
    engine.admit([ask()])
    with pytest.raises(EngineBroken):
        engine.step()


def test_a_picture_that_cannot_be_decoded_fails_alone() -> None:
    class Strange(ToyBackend):
        def decode(self, x: Any) -> Any:
            if np.abs(x - self.first).max(axis=(1, 2, 3)).min() == 0:
                raise ValueError("some text")
            return super().decode(x)

        first = np.float32(np.inf)

    backend = Strange()
    engine = toy_engine(backend)
    engine.admit([ask("a", steps=2), ask("b", steps=2, seed=9)])
    engine.step()
    batch = engine._running.batch
    assert batch is not None
    backend.first = (batch.x + 0)[:1]
    original = backend.denoise
    backend.denoise = lambda *given: original(*given) * 0  # type: ignore[method-assign]  # latents stay as they are
    reports = steps_until_done(engine)
    assert isinstance(failed_in(reports)["a"].error, EngineFault)
    assert set(finished_in(reports)) == {"b"}


def test_ancestral_noise_is_each_jobs_own() -> None:
    """With eta = 1 noise enters at every step; shared or reused noise would make these pictures alike."""
    engine = toy_engine(scheduler=DDIM)
    done = run(engine, [ask("a", seed=1), ask("b", seed=2)])
    assert difference(done["a"].images, done["b"].images) > 0
    again = run(engine, [ask("b", seed=2), ask("x", seed=3, steps=9), ask("a", seed=1)])
    assert difference(done["a"].images, again["a"].images) == 0


def test_every_picture_and_step_draws_noise_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, int]] = []

    def written_down(seed: int, step: int, shape: tuple[int, ...]) -> Any:
        drawn.append((seed, step))
        return noise(seed, step, shape)

    monkeypatch.setattr(sys.modules["engines.stepwise.advance"], "noise", written_down)
    engine = toy_engine(scheduler=DDIM)
    run(engine, [ask("a", seed=5, steps=3, count=2), ask("b", seed=9, steps=2)])
    assert sorted(drawn) == [(5, 1), (5, 2), (6, 1), (6, 2), (9, 1), (9, 2)], "none in the last step, which adds none"


def test_noise_is_standard_and_differs_by_seed_and_step() -> None:
    drawn = [noise(seed, step, (4, 32, 32)) for seed in (1, 2**63 - 1) for step in (0, 1)]
    for values in drawn:
        assert values.dtype == np.float32
        assert abs(values.mean()) < 0.05
        assert values.std() == pytest.approx(1, abs=0.05)
    for i, left in enumerate(drawn):
        for right in drawn[:i]:
            assert abs(np.corrcoef(left.ravel(), right.ravel())[0, 1]) < 0.06


def test_noise_of_a_seed_stays_what_it_was() -> None:
    """Pictures of stored seeds would change with it: a release that breaks this says so."""
    assert noise(7, 0, (4,)).tolist() == pytest.approx(GOLDEN, abs=1e-7)


GOLDEN = [-0.293339, 1.7038306, 1.5391918, 0.6367539]


def test_closing_twice_is_fine_and_drops_what_runs() -> None:
    backend = ToyBackend()
    engine = toy_engine(backend)
    engine.admit([ask("a")])
    engine.step()
    engine.close()
    engine.close()
    assert engine.active == 0
    assert backend.closed >= 1


def test_warming_up_a_busy_engine_is_refused() -> None:
    engine = toy_engine()
    engine.admit([ask("a")])
    with pytest.raises(EngineBroken):
        engine.warm_up([])


def test_a_table_is_made_once_for_each_kind_of_run(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(config: dict[str, Any], steps: int, **more: Any) -> Table:
        made.append(steps)
        return original(config, steps, **more)

    from engines import samplers

    original = samplers.table
    monkeypatch.setattr(samplers, "table", counted)
    engine = toy_engine()
    run(engine, [ask("a"), ask("b"), ask("c", steps=9)])
    run(engine, [ask("a")])
    assert sorted(made) == [4, 9]
