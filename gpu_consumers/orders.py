"""What an engine process was told to do and has not finished. Outlives the process: the next one is told the same again."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gpu_consumers.frames import Drop, Order, Run, Warm


class Orders:
    """The runs, in the order in which they are done."""

    def __init__(self) -> None:
        self._runs: dict[int, Run] = {}
        self._begun: set[int] = set()
        self._through: set[int] = set()
        self._aborted: set[int] = set()
        self._dropped: dict[int, list[int]] = {}
        self.like: Run | None = None
        """The last run whose model was loaded: what a new process is warmed with."""

    def __bool__(self) -> bool:
        return bool(self._runs)

    def __contains__(self, run: int) -> bool:
        return run in self._runs

    def add(self, run: Run) -> None:
        """One more, behind the others."""
        self._runs[run.run] = run

    def drop(self, run: int, places: list[int]) -> None:
        """Jobs that are to be left out."""
        self._dropped.setdefault(run, []).extend(places)

    def abort(self, run: int) -> None:
        """Nobody waits for this run any more."""
        self._aborted.add(run)

    def began(self, run: int) -> None:
        """Its model is loaded, its first jobs take steps."""
        self._begun.add(run)
        if run in self._runs:
            self.like = _nobodys(self._runs[run])

    def is_through(self, run: int) -> None:
        """The engine is done with it; its pictures may still be on their way."""
        self._begun.discard(run)
        self._through.add(run)

    def forget(self, run: int) -> None:
        """It is over."""
        self._runs.pop(run, None)
        self._begun.discard(run)
        self._through.discard(run)
        self._aborted.discard(run)
        self._dropped.pop(run, None)

    def again(self) -> Iterator[Order]:
        """All that a new process has to be told."""
        if self.like is not None:
            yield Warm(like=self.like)
        for run, order in self._runs.items():
            yield order
            if run in self._dropped:
                yield Drop(run=run, places=self._dropped[run])

    def bury(self, *, first_if_none_began: bool) -> list[int]:
        """The process has ended. Forgets and returns the runs that are charged with it; those behind are for the next one."""
        for run in list(self._aborted):
            self.forget(run)
        charged = self._charged(first_if_none_began=first_if_none_began)
        self._begun.clear()
        self._through.clear()
        for run in charged:
            self.forget(run)
        return charged

    def _charged(self, *, first_if_none_began: bool) -> list[int]:
        begun = [run for run in self._runs if run in self._begun]
        if begun or not first_if_none_began:
            return begun
        # It ended while loading that one's model; if the engine was through with all, while encoding the first.
        return [run for run in self._runs if run not in self._through][:1] or list(self._runs)[:1]


def _nobodys(run: Run) -> Run:
    """The first task of a run without what its owner wrote."""
    task = msgspec.structs.replace(run.tasks[0], prompt="", negative_prompt="", image=None)
    return msgspec.structs.replace(run, tasks=[task])
