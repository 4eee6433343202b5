"""The oracle over histories by hand: silent where every promise was kept, and loud at each way of breaking one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from contracts.events import JobError, Status, Terminal
from loadtest.storm.history import History, Snapshot, Stored
from loadtest.storm.oracle import INVARIANTS, judge
from tests.support.storms import WHOLE, Story, kept_promises, key, result, row, seen

Spoil = Callable[[History], object]
JOB_ERROR = JobError(code="invalid", message="inputs.width: is below 8")


def broken(history: History) -> set[str]:
    return {one.invariant for one in judge(history) if not one.kept}


def drop(history: History, id: str, tenant: str = "ash") -> None:
    history.results = [one for one in history.results if (one.value.tenant, one.value.id) != (tenant, id)]


def tell(history: History, id: str, state: str, attempt: int = 0, *, before: int | None = None, tenant: str = "ash") -> None:
    """One more status; `before`: put before the job's own at this place, counted from its first."""
    status = Status(id=id, tenant=tenant, state=state, at=1.0, attempt=attempt, step=0 if state == "running" else None)  # type: ignore[arg-type]
    own = [one for one in history.statuses if (one.value.tenant, one.value.id) == (tenant, id)]
    at = history.statuses.index(own[before]) if before is not None else len(history.statuses)
    values = [one.value for one in history.statuses]
    values.insert(at, status)
    history.statuses = [seen(number, value) for number, value in enumerate(values)]
    history.snapshots = [Snapshot(committed=one.committed, ends={("status", 0): len(values)}) for one in history.snapshots]


def end_as(history: History, id: str, state: str) -> None:
    """The job ends otherwise, and all agree on it."""
    told = result("ash", id, state)  # type: ignore[arg-type]
    history.results = [
        seen(one.offset, told) if one.value.id == id and one.value.tenant == "ash" else one for one in history.results
    ]
    history.rows = {**history.rows, ("ash", id): row("ash", id, told)}


def store_object(history: History, key: str, stored: Stored | None) -> None:
    others = {name: one for name, one in history.objects.items() if name != key}
    history.objects = others if stored is None else {**others, key: stored}


def leave_behind(history: History, key: str) -> None:
    """An object that the sweep will remove."""
    history.left_behind |= {key}


def rename(history: History, old: str, new: str) -> None:
    """An output is told under another key."""
    history.results = [
        replace(
            one, value=changed(one.value, outputs=[changed(o, key=new if o.key == old else o.key) for o in one.value.outputs])
        )
        for one in history.results
    ]


def told_later(history: History) -> None:
    """The commit was seen before the answers were."""
    history.snapshots.insert(0, Snapshot(committed={("jobs", 0): 1}, ends={("status", 0): 0}))


def forget_conflict(history: History) -> None:
    history.statuses = [one for one in history.statuses if one.value.state != "conflict"]


def other_bytes(history: History) -> None:
    history.dead[0] = replace(history.dead[0], value=changed(history.dead[0].value, body="other"))


SPOILS: dict[str, tuple[str, Spoil]] = {
    "a result is lost": ("one result each", lambda h: drop(h, "a")),
    "a result is told twice": ("one result each", lambda h: h.results.append(h.results[0])),
    "a refusal is told twice": (
        "one result each", lambda h: h.results.append(next(o for o in h.results if o.value.state == "rejected")),
    ),
    "a result of nobody": ("one result each", lambda h: h.results.append(seen(99, result("ash", "nobody", "cancelled")))),
    "a twin of another tenant is lost": ("one result each", lambda h: drop(h, "a", "birch")),
    "the end is told twice on status": ("one terminal status each", lambda h: tell(h, "a", "succeeded", 1)),
    "the end is not told on status": (
        "one terminal status each",
        lambda h: h.statuses.remove(next(o for o in h.statuses if o.value.state == "succeeded")),
    ),
    "a good job fails": ("the right end", lambda h: end_as(h, "a", "failed")),
    "a poisoned job succeeds": ("the right end", lambda h: end_as(h, "p", "succeeded")),
    "the store has another state": (
        "the job store agrees",
        lambda h: setattr(h, "rows", {**h.rows, ("ash", "a"): row("ash", "a", h.results[0].value, "running")}),
    ),
    "the store has no such job": ("the job store agrees", lambda h: setattr(h, "rows", {})),
    "the store has another result": (
        "the job store agrees",
        lambda h: setattr(h, "rows", {**h.rows, ("ash", "a"): row("ash", "a", result("ash", "a", "failed"), "succeeded")}),
    ),
    "a retry is told with too low an attempt": ("states only forward", lambda h: tell(h, "r", "retrying", 1, before=5)),
    "queued is first told while it runs": ("states only forward", lambda h: tell(h, "early", "queued", -1, before=1)),
    "a retry after the end": ("nothing after the end", lambda h: tell(h, "a", "retrying", 2)),
    "a conflict is not told": ("conflicts are told", forget_conflict),
    "a conflict that is none": ("conflicts are told", lambda h: tell(h, "r", "conflict")),
    "a cancelled job runs": ("early cancels hold", lambda h: tell(h, "early", "running", 1, before=1)),
    "a refusal without a reason": (
        "refusals are told",
        lambda h: setattr(h, "results", [replace(o, value=changed(o.value, error=None)) for o in h.results]),
    ),
    "a dead letter too many": ("dead letters are exact", lambda h: h.dead.append(h.dead[0])),
    "a dead letter too few": ("dead letters are exact", lambda h: h.dead.pop()),
    "a dead letter of a good job": (
        "dead letters are exact", lambda h: h.dead.append(replace(h.dead[0], value=changed(h.dead[0].value, offset=0))),
    ),
    "a dead letter with other bytes": ("letters keep the bytes", other_bytes),
    "an object is gone": ("objects are whole", lambda h: store_object(h, key("ash", "a"), None)),
    "an object was overwritten": ("objects are whole", lambda h: store_object(h, key("ash", "a"), Stored(sha256="0", size=9))),
    "a success without a picture": (
        "objects are whole",
        lambda h: setattr(h, "results", [replace(o, value=changed(o.value, outputs=[])) for o in h.results]),
    ),
    "a result came before its object": ("objects came first", lambda h: h.unmade.append(key("ash", "a"))),
    "two tenants share an object": ("no object twice", lambda h: rename(h, key("birch", "a"), key("ash", "a"))),
    "an object of a late run is left": ("no orphans", lambda h: leave_behind(h, key("ash", "a", "beef-1"))),
    "a stray outlives the sweep": ("swept clean", lambda h: store_object(h, key("ash", "a", "beef-1"), WHOLE)),
    "more attempts than failures": ("duplicates run once", lambda h: tell(h, "a", "running", 2, before=3)),
    "a run that no blow explains": ("extra runs are paid for", lambda h: tell(h, "r", "running", 1, before=3)),
    "committed before it was answered": ("committed is durable", told_later),
    "committed and never answered": (
        "committed is durable",
        lambda h: setattr(h, "statuses", [o for o in h.statuses if o.value.id != "r"]),
    ),
    "a stuck partition": ("nothing is left", lambda h: setattr(h, "left", {("outcomes", 0): 3})),
}  # fmt: skip


def test_every_promise_kept_is_no_fault_and_every_invariant_has_looked() -> None:
    verdicts = judge(kept_promises())
    assert [one for one in verdicts if not one.kept] == []
    assert [one.invariant for one in verdicts if not one.checks] == []


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_broken_promise_is_found(spoil: str) -> None:
    invariant, break_it = SPOILS[spoil]
    history = kept_promises()
    break_it(history)
    assert invariant in broken(history)


def test_each_invariant_can_fail() -> None:
    assert {invariant for invariant, _ in SPOILS.values()} == {one.invariant for one in judge(History())}
    assert len(INVARIANTS) == len({one.invariant for one in judge(History())})


@pytest.mark.parametrize(
    "told_again",
    [
        lambda h: tell(h, "a", "queued", before=3),  # admission was killed, and does its chunk again
        lambda h: tell(h, "a", "running", 1),  # a frozen worker wakes after the end
        lambda h: tell(h, "r", "running", 1, before=4),  # or after the retry
    ],
    ids=["admission repeats", "a sleeper after the end", "a sleeper after the retry"],
)
def test_what_a_kill_or_a_freeze_makes_somebody_tell_again_is_no_fault(told_again: Spoil) -> None:
    history = kept_promises()
    history.extra_allowed = 1
    told_again(history)
    assert broken(history) == set()


def test_what_a_killed_worker_left_is_excused_up_to_what_it_had_in_flight() -> None:
    history = kept_promises()
    history.dead_workers, history.orphans_allowed = frozenset({"beef"}), 1
    leave_behind(history, key("ash", "a", "beef-1"))
    assert broken(history) == set()
    leave_behind(history, key("ash", "a", "beef-2"))
    assert broken(history) == {"no orphans"}


def test_what_could_not_be_removed_while_the_store_was_away_is_excused_until_the_sweep() -> None:
    history = kept_promises()
    history.store_was_away = True
    leave_behind(history, key("ash", "a", "beef-1"))
    assert broken(history) == set()
    store_object(history, key("ash", "a", "beef-1"), WHOLE)
    assert broken(history) == {"swept clean"}


@pytest.mark.parametrize(("end", "faults"), [("cancelled", set()), ("failed", {"nothing after the end"})])
def test_only_a_cancel_may_be_told_before_the_job_is_accepted(end: Terminal, faults: set[str]) -> None:
    story = Story()
    sent = story.sends("ash", "a", b"a", "failed")
    story.cancels("ash", "a")
    story.ends("ash", "a", end, JobError(code="internal", message=end))
    if end == "failed":
        story.buries(sent, "ash", "a")
    story.tells("ash", "a", "accepted", "queued")
    assert broken(story.over()) == faults


def test_the_first_fit_record_of_an_id_is_the_job_whatever_was_refused_before() -> None:
    story = Story()
    bad = story.sends("ash", "a", b"bad")
    story.ends("ash", "a", "rejected", JOB_ERROR)
    story.buries(bad, "ash", "a")
    story.sends("ash", "a", b"good", "succeeded")
    story.tells("ash", "a", "accepted", "queued")
    story.tells("ash", "a", "running", attempt=1)
    story.ends("ash", "a", "succeeded")
    assert broken(story.over()) == set()
