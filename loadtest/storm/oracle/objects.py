"""What results name is in the object store, whole, before the result is; and nothing else is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from contracts.events import Output
from loadtest.storm.history import History, Name
from loadtest.storm.intake import Intake
from loadtest.storm.oracle.verdict import Verdict, said, verdict


def _outputs(history: History) -> Iterator[tuple[Name, Output]]:
    for one in history.results:
        for output in one.value.outputs:
            yield (one.value.tenant, one.value.id), output


def objects_are_whole(history: History, intake: Intake) -> Verdict:
    """Each success names an object that is there and is what the result says."""
    del intake

    def each() -> Iterator[str | None]:
        for one in history.results:
            if one.value.state == "succeeded" and not one.value.outputs:
                yield f"{said((one.value.tenant, one.value.id))}: succeeded without an output"
        for name, output in _outputs(history):
            stored = history.objects.get(output.key)
            if stored is None:
                yield f"{said(name)}: {output.key} is not there"
            else:
                same = (stored.sha256, stored.size) == (output.sha256, output.bytes)
                yield None if same else f"{said(name)}: {output.key} is another object"

    return verdict("objects are whole", each())


def objects_came_first(history: History, intake: Intake) -> Verdict:
    """Whoever reads a result finds the object at once."""
    del intake
    missed = [f"{key}: not there when its result was read" for key in history.unmade]
    return verdict("objects came first", [*missed, *[None] * (history.looked - len(missed))])


def no_object_twice(history: History, intake: Intake) -> Verdict:
    """No two outputs share an object."""
    del intake
    named = Counter(output.key for _, output in _outputs(history))
    return verdict("no object twice", (None if n == 1 else f"{key}: named by {n} outputs" for key, n in named.items()))


def no_orphans(history: History, intake: Intake) -> Verdict:
    """An object that no result names is of a worker that was killed before it could tell, and there are few of them.

    Where the object store was away, those of late runs may be there, too: their removal could not be.
    """
    del intake
    named = _named(history)

    def each() -> Iterator[str | None]:
        of_dead = 0
        for key in sorted(history.left_behind - named):
            of_dead += _group(key) in history.dead_workers
            excused = _group(key) in history.dead_workers and of_dead <= history.orphans_allowed
            yield None if excused or history.store_was_away else f"{key}: named by no result"
        yield from (None for _ in named)

    return verdict("no orphans", each())


def swept_clean(history: History, intake: Intake) -> Verdict:
    """After the sweep nothing is there that no result names."""
    del intake
    strays = sorted(history.objects.keys() - _named(history))
    return verdict("swept clean", [*(f"{key}: still there" for key in strays), *[None] * len(history.left_behind)])


def _named(history: History) -> set[str]:
    return {output.key for _, output in _outputs(history)}


def _group(key: str) -> str:
    """The worker's part of a key: `tenant/day/<worker>-<number>/name`."""
    parts = key.split("/")
    return parts[-2].rpartition("-")[0] if len(parts) > 1 else ""
