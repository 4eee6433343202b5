"""A small history by hand in which every promise is kept, for tests to spoil."""

from __future__ import annotations

import hashlib
from typing import Any

from contracts.codec import encode
from contracts.events import BatchInfo, Control, Dead, JobError, Output, Result, State, Status, Terminal
from loadtest.crew.watch import Seen
from loadtest.storm.history import History, Snapshot, Stored
from loadtest.storm.load import Intent
from streams.ports import JobRow

WORKER = "gpu-1.1-abcd"
BODY = b"a picture"
WHOLE = Stored(sha256=hashlib.sha256(BODY).hexdigest(), size=len(BODY))


def seen(offset: int, value: Any) -> Seen[Any]:
    return Seen(partition=0, offset=offset, at=float(offset), value=value)


def key(tenant: str, id: str, group: str = "abcd-1") -> str:
    return f"{tenant}/2026-01-01/{group}/{id}.0.0.png"


def result(tenant: str, id: str, state: Terminal, error: JobError | None = None) -> Result:
    """A success has one output."""
    made = state == "succeeded"
    output = Output(
        key=key(tenant, id), url="", media_type="image/png", width=8, height=8, bytes=WHOLE.size, sha256=WHOLE.sha256, seed=1
    )
    batch = BatchInfo(id="b", size=1, worker=WORKER) if made else None
    return Result(id=id, tenant=tenant, state=state, outputs=[output] if made else [], error=error, batch=batch)


class Story:
    """Writes a history down, event by event."""

    def __init__(self) -> None:
        self.history = History()
        self._intents: dict[bytes, Intent] = {}
        self._objects: dict[str, Stored] = {}
        self._rows: dict[tuple[str, str], JobRow | None] = {}

    def sends(self, tenant: str, id: str, body: bytes, *ends: str) -> int:
        """A record on `jobs`; returns its offset."""
        self._intents[body] = Intent(id=id, tenant=tenant, ends=frozenset(ends))
        self.history.jobs.append(seen(len(self.history.jobs), body))
        return len(self.history.jobs) - 1

    def cancels(self, tenant: str, id: str) -> None:
        order = Control(id=id, tenant=tenant, action="cancel")
        self.history.control.append(seen(len(self.history.control), encode(order)))

    def tells(self, tenant: str, id: str, *states: State, attempt: int = 0, **more: Any) -> None:
        for state in states:
            step = 0 if state == "running" else None
            status = Status(id=id, tenant=tenant, state=state, at=1.0, attempt=attempt, step=step, **more)
            self.history.statuses.append(seen(len(self.history.statuses), status))

    def ends(self, tenant: str, id: str, state: Terminal, error: JobError | None = None) -> None:
        """Result, terminal status, object and row."""
        self.tells(tenant, id, state, attempt=1)
        told = result(tenant, id, state, error)
        self.history.results.append(seen(len(self.history.results), told))
        for output in told.outputs:
            self._objects[output.key] = WHOLE
            self.history.looked += 1
        if state != "rejected":
            self._rows[tenant, id] = row(tenant, id, told)

    def buries(self, offset: int, tenant: str = "", id: str = "") -> None:
        body = self.history.jobs[offset].value.decode()
        cause = JobError(code="invalid", message="inputs: wrong")
        letter = Dead(
            id=id, tenant=tenant, cause=cause, at=1.0, topic="jobs", partition=0, offset=offset, body=body, encoding="utf-8"
        )
        self.history.dead.append(seen(len(self.history.dead), letter))

    def over(self) -> History:
        """Everything is committed; the history is finished."""
        done, end = len(self.history.jobs), len(self.history.statuses)
        self.history.snapshots.append(Snapshot(committed={("jobs", 0): done}, ends={("status", 0): end}))
        self.history.intents, self.history.objects, self.history.rows = self._intents, self._objects, self._rows
        self.history.left_behind = frozenset(self._objects)
        self.history.left = {("jobs", 0): 0, ("outcomes", 0): 0}
        return self.history


def row(tenant: str, id: str, told: Result, state: State | None = None) -> JobRow:
    return JobRow(
        tenant=tenant, id=id, state=state or told.state, attempt=1, model="noop@1", tier="ordinary", submitted_at=1.0,
        updated_at=1.0, result=encode(told),
    )  # fmt: skip


def kept_promises() -> History:
    """Of every kind of job one."""
    story = Story()
    story.cancels("ash", "early")
    story.history.early = 1
    story.sends("ash", "a", b"a1", "succeeded")
    story.sends("ash", "a", b"a1", "succeeded")
    story.sends("ash", "a", b"a2", "succeeded")
    story.tells("ash", "a", "accepted", "queued")
    story.tells("ash", "a", "running", attempt=1)
    story.tells("ash", "a", "queued", repeated=True)
    story.tells("ash", "a", "conflict")
    story.ends("ash", "a", "succeeded")
    story.sends("birch", "a", b"a3", "succeeded")
    story.tells("birch", "a", "accepted", "queued")
    story.tells("birch", "a", "running", attempt=1)
    story.ends("birch", "a", "succeeded")
    story.sends("ash", "early", b"e", "succeeded")
    story.tells("ash", "early", "accepted")
    story.ends("ash", "early", "cancelled", JobError(code="cancelled", message="cancelled"))
    invalid = story.sends("ash", "bad", b"i")
    story.ends("ash", "bad", "rejected", JobError(code="invalid", message="inputs.width: is below 8"))
    story.buries(invalid, "ash", "bad")
    story.buries(story.sends("", "", b"{nope"))
    poison = story.sends("ash", "p", b"p", "failed")
    story.tells("ash", "p", "accepted", "queued")
    story.tells("ash", "p", "running", attempt=1)
    story.ends("ash", "p", "failed", JobError(code="poison", message="not a number"))
    story.buries(poison, "ash", "p")
    story.sends("ash", "r", b"r", "succeeded")
    story.tells("ash", "r", "accepted", "queued")
    story.tells("ash", "r", "running", attempt=1)
    story.tells("ash", "r", "retrying", attempt=2)
    story.tells("ash", "r", "running", attempt=2)
    story.ends("ash", "r", "succeeded")
    return story.over()
