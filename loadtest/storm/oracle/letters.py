"""Dead letters: one for each record that is no job and each job that cannot succeed, and no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from contracts.events import Dead
from loadtest.storm.history import History
from loadtest.storm.intake import Intake
from loadtest.storm.oracle.verdict import Verdict, verdict
from streams.policy.decode import Kept, unkeep


def dead_letters_are_exact(history: History, intake: Intake) -> Verdict:
    """As many letters of each record as it must have: one or none."""
    failed = {(one.value.tenant, one.value.id) for one in history.results if one.value.state == "failed"}
    wanted = {(record.partition, record.offset) for _, record in intake.refused}
    wanted |= {(job.claim.partition, job.claim.offset) for name, job in intake.jobs.items() if name in failed}
    seen = Counter((one.value.partition, one.value.offset) for one in history.dead)

    def each() -> Iterator[str | None]:
        for place in sorted(wanted | seen.keys()):
            want, have = int(place in wanted), seen[place]
            yield None if want == have else f"jobs[{place[0]}]@{place[1]}: {have} dead letters, not {want}"

    return verdict("dead letters are exact", each())


def letters_keep_the_bytes(history: History, intake: Intake) -> Verdict:
    """A letter carries the very bytes that were sent."""
    del intake
    sent = {(one.partition, one.offset): one.value for one in history.jobs}

    def each() -> Iterator[str | None]:
        for one in history.dead:
            letter: Dead = one.value
            same = unkeep(Kept(letter.body, letter.encoding)) == sent.get((letter.partition, letter.offset))
            yield None if same else f"jobs[{letter.partition}]@{letter.offset}: the letter has other bytes"

    return verdict("letters keep the bytes", each())
