from __future__ import annotations

from loadtest.rebalance.history import Event, History, Owned, Placed, Ran
from loadtest.rebalance.measure import costs
from loadtest.rebalance.report import page, report_of


def story() -> History:
    """Two workers with batches of 2 s; `c` joins at 100, `b` is killed at 110 with b4 running, which `a` runs at 119."""
    history = History(events=[Event(kind="join", worker="c", at=100.0, over=104.0), Event(kind="kill", worker="b", at=110.0)])
    history.calm_from, history.ended = 90.0, 125.0
    begun = {"a": [92.0, 94.0, 96.0, 98.0, 100.5, 103.0], "b": [93.0, 95.0, 97.0, 99.0], "c": [104.5]}
    for worker, begins in begun.items():
        for number, began in enumerate(begins):
            batch = f"{worker}{number}"
            history.ran.append(Ran(batch=batch, worker=worker, began=began, ended=began + 2))
            history.starts[batch] = [began]
    history.starts["b4"] = [109.5, 119.0]
    history.ran.append(Ran(batch="b4", worker="a", began=119.0, ended=121.0))
    history.placed = [Placed(batch="b4", partition=7, offset=4, at=108.0), Placed(batch="b3", partition=7, offset=3, at=98.0)]
    history.owned = [
        Owned(worker="b", at=109.0, positions={7: 4}),
        Owned(worker="a", at=109.5, positions={1: 6}),
        Owned(worker="b", at=112.0, positions={}),
    ]
    return history


def test_the_others_idle_for_what_is_beyond_the_usual_gap() -> None:
    join, _ = costs(story()).events
    assert join.idle_s == {"a": 15.0}


def test_a_newcomer_waits_from_being_ready_to_its_first_batch() -> None:
    join, kill = costs(story()).events
    assert (join.over_s, join.first_batch_s, kill.first_batch_s) == (4.0, 0.5, None)


def test_what_a_killed_worker_had_in_hand_runs_again_and_nobody_minds() -> None:
    found = costs(story())
    assert found.kept
    assert (found.events[1].redone, found.events[1].elsewhere_s) == (["b4"], [9.0])


def test_a_batch_that_runs_again_though_its_worker_lives_is_found() -> None:
    history = story()
    history.starts["a4"].append(106.0)
    found = costs(history)
    assert not found.kept
    assert [one.again for one in found.events] == [["a4"], []]
    assert "BATCHES RAN TWICE" in page(report_of("it", workers=2, batch_s=2.0, session_s=6.0, costs=found))


def test_a_kill_pays_for_one_more_run_of_a_batch_only() -> None:
    history = story()
    history.starts["b4"].append(123.0)
    assert [one.again for one in costs(history).events] == [[], ["b4"]]


def test_a_batch_that_the_killed_worker_had_finished_is_not_its_to_repeat() -> None:
    history = story()
    history.starts["b3"].append(118.0)
    assert [one.again for one in costs(history).events] == [[], ["b3"]]
