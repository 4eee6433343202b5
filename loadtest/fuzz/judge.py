"""What became of each record on `jobs`, by public outputs alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.events import Dead, Result
from streams.policy.decode import Kept, unkeep


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One record as it lies on `jobs`."""

    partition: int
    offset: int
    value: bytes | None


@dataclass(kw_only=True, slots=True)
class Verdict:
    """What was found."""

    records: int
    dead: int
    """Records that have a dead letter."""
    ended: int
    """Records without one whose job has a result."""
    states: dict[str, int]
    """Results by state."""
    problems: list[str] = field(default_factory=list)
    """Nothing of what a record holds is in them, only where it is."""


def judge(sent: Iterable[Sent], dead: Iterable[Dead], results: Iterable[Result]) -> Verdict:
    """Every record must have ended, once, as a result or as a dead letter that holds its very bytes."""
    letters, told = _letters(dead), list(results)
    ended = Counter((one.tenant, one.id) for one in told if one.state != "rejected")
    verdict = Verdict(records=0, dead=0, ended=0, states=dict(Counter(one.state for one in told)))
    for record in sent:
        verdict.records += 1
        _follow(record, letters.pop((record.partition, record.offset), []), ended, verdict)
    verdict.problems += [f"a dead letter of {place}, where no record is" for place in letters]
    verdict.problems += [f"{count} results of one job" for count in ended.values() if count > 1]
    rejections = sum(1 for one in told if one.state == "rejected")
    if rejections > verdict.dead:
        verdict.problems.append(f"{rejections} rejections, but {verdict.dead} dead letters")
    return verdict


def _letters(dead: Iterable[Dead]) -> dict[tuple[int, int], list[Dead]]:
    found: dict[tuple[int, int], list[Dead]] = {}
    for one in dead:
        found.setdefault((one.partition, one.offset), []).append(one)
    return found


def _follow(record: Sent, letters: list[Dead], ended: Counter[tuple[str, str]], verdict: Verdict) -> None:
    where = f"{record.partition}@{record.offset}"
    if letters:
        verdict.dead += 1
        if len(letters) > 1:
            verdict.problems.append(f"{len(letters)} dead letters of {where}")
        if any(unkeep(Kept(one.body, one.encoding)) != record.value for one in letters):
            verdict.problems.append(f"the dead letter of {where} holds other bytes")
    elif _name(record.value) in ended:
        verdict.ended += 1
    else:
        verdict.problems.append(f"nothing is known of {where}")


def _name(value: bytes | None) -> tuple[str, str] | None:
    try:
        event = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None
    tenant, name = (event.get("tenant"), event.get("id")) if isinstance(event, dict) else (None, None)
    return (tenant, name) if isinstance(tenant, str) and isinstance(name, str) else None
