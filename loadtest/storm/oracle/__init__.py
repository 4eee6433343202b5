"""The oracle: from what went in and what anybody can read, whether every promise was kept.

Each invariant is a function of the history that says how many things it looked at and which of them were wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from loadtest.storm.history import History
from loadtest.storm.intake import Intake, sort_out
from loadtest.storm.oracle import answers, commits, ends, letters, objects, runs, states
from loadtest.storm.oracle.verdict import Verdict

Invariant = Callable[[History, Intake], Verdict]

INVARIANTS: tuple[Invariant, ...] = (
    ends.one_result_each,
    ends.one_terminal_status_each,
    ends.the_right_end,
    ends.the_store_agrees,
    states.only_forward,
    states.nothing_after_the_end,
    answers.conflicts_are_told,
    answers.early_cancels_hold,
    answers.refusals_are_told,
    letters.dead_letters_are_exact,
    letters.letters_keep_the_bytes,
    objects.objects_are_whole,
    objects.objects_came_first,
    objects.no_object_twice,
    objects.no_orphans,
    objects.swept_clean,
    runs.duplicates_run_once,
    runs.extra_runs_are_paid_for,
    commits.committed_is_durable,
    commits.nothing_is_left,
)


def judge(history: History) -> list[Verdict]:
    """Every invariant's verdict."""
    intake = sort_out(history)
    return [invariant(history, intake) for invariant in INVARIANTS]


__all__ = ["INVARIANTS", "Invariant", "Verdict", "judge"]
