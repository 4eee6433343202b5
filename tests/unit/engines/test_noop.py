"""The stand-in: what it costs, what it draws."""

from __future__ import annotations

import pytest

from engines import EngineBroken, Poison, Request
from engines.errors import EngineFault
from engines.noop import NoopEngine, NoopOptions, troubles
from tests.support.engine_runs import ask, failed_in, finished_in, run, steps_until_done


class Clock:
    """Time that passes only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def noop(clock: Clock, **options: float) -> NoopEngine:
    return NoopEngine(NoopOptions(**options), sleep=clock.sleep, clock=clock)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [1, 4, 20])
@pytest.mark.parametrize("pictures", [1, 3, 256])
def test_a_run_takes_what_the_table_says_however_many_steps(pictures: int, steps: int) -> None:
    clock = Clock()
    done = run(noop(clock, base_s=0.5, picture_s=0.25), [ask(str(i), steps=steps) for i in range(pictures)])
    assert clock.now == pytest.approx(0.5 + 0.25 * pictures)
    assert done["0"].run_s == pytest.approx(clock.now)
    assert done["0"].share_s == pytest.approx(clock.now / pictures)


def test_times_spread_by_seed_and_repeat_by_seed() -> None:
    times = []
    for seed in [*range(200), 5]:
        clock = Clock()
        run(noop(clock, base_s=1.0, picture_s=0.0, spread=0.5), [ask(seed=seed)])
        times.append(clock.now)
    assert times[5] == times[-1]
    assert len(set(times[:-1])) == 200
    assert sorted(times)[100] == pytest.approx(1.0, rel=0.25), "a log-normal factor has a median of 1"
    assert max(times) > 1.5
    assert min(times) < 0.7


def test_pictures_are_small_unless_asked() -> None:
    clock = Clock()
    assert run(noop(clock), [ask()])["one"].images[0].shape == (8, 8, 3)
    assert run(noop(clock, full_size=True), [ask(width=96)])["one"].images[0].shape == (64, 96, 3)


def test_video_has_its_frames() -> None:
    done = run(noop(Clock()), [ask(task="text-to-video", frames=5, count=2)])["one"]
    assert len(done.images) == 10
    assert len(done.seeds) == 2


def test_a_hook_may_fail_one_request_or_the_whole_step() -> None:
    def hook(requests: list[Request]) -> None:
        for request in requests:
            if request.prompt == "bad":
                raise Poison(request.id, "as the hook wants")
            if request.prompt == "worse":
                raise EngineBroken("as the hook wants")

    engine = NoopEngine(NoopOptions(base_s=0, picture_s=0), hook=hook)  # type: ignore[arg-type]
    engine.admit([ask("a"), ask("b", prompt="bad"), ask("c", prompt="bad")])
    reports = steps_until_done(engine)
    assert set(failed_in(reports)) == {"b", "c"}
    assert set(finished_in(reports)) == {"a"}
    engine.admit([ask("d", prompt="worse")])
    with pytest.raises(EngineBroken):
        engine.step()


def with_troubles(chance: float = 1.0, **options: float | str) -> NoopEngine:
    chosen = NoopOptions(**options)  # type: ignore[arg-type]
    return NoopEngine(chosen, sleep=lambda _: None, hook=troubles(chosen, lambda: chance))


def test_a_poisoned_request_breaks_the_step_and_is_named_only_when_it_is_alone() -> None:
    engine = with_troubles(poison="skull")
    engine.admit([ask("good"), ask("bad", prompt="a skull")])
    with pytest.raises(EngineFault):
        engine.step()
    engine.cancel("good")
    (failed,) = engine.step().failed
    assert (failed.request_id, failed.error.code, failed.error.retryable) == ("bad", "poison", False)


def test_bad_luck_fails_one_request_and_another_try_may_have_more() -> None:
    engine = with_troubles(chance=0.1, hiccup=0.2)
    engine.admit([ask("one")])
    (failed,) = engine.step().failed
    assert (failed.request_id, failed.error.retryable) == ("one", True)
    assert run(with_troubles(chance=0.3, hiccup=0.2), [ask("one")])["one"].images
