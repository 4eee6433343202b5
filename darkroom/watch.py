"""What one asker knows of one job. Pure: records go in, the state comes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from contracts.events import TERMINAL, JobError, Result, Status

ANSWERS = frozenset({"accepted", "rejected", "conflict"})
"""What admission says to an event on `jobs`."""


class Watch:
    """Follows a job for whoever sent it (`asked`), or for an onlooker.

    The same id may be sent twice. The second sender must not take the first one's result for its own before
    admission has said whether both mean the same job, so a sender's watch waits for its answer first.
    """

    def __init__(self, id: str, tenant: str | None, *, asked: bool) -> None:
        self.id = id
        self.tenant = tenant
        """None: any tenant's job of this id."""
        self.asked = asked
        self.first = True
        """No other sender of this id is known, so a terminal state can only be its own."""
        self.since: dict[str, int] = {}
        """Topic to the offset of the first record not told yet; empty: none was."""
        self.statuses: list[Status] = []
        self.result: Result | None = None
        self.conflict: JobError | None = None
        self._answer: str | None = None
        self._wake = asyncio.Event()

    @property
    def unanswered(self) -> bool:
        """Admission has not spoken to this sender yet."""
        return self.asked and self._answer is None

    @property
    def owed_rejection(self) -> bool:
        """A rejected result would be this sender's."""
        has_it = self.result is not None and self.result.state == "rejected"
        return self.asked and not has_it and self._answer in (None, "rejected")

    @property
    def final(self) -> Result | None:
        """The job's one result, once it is known to be this asker's."""
        return None if self.unanswered or self.conflict else self.result

    @property
    def over(self) -> bool:
        """The last state told ends the story."""
        return bool(self.conflict) or (bool(self.statuses) and self.statuses[-1].state in TERMINAL)

    @property
    def from_the_past(self) -> bool:
        """The job had ended before it was sent again: its result is not going to be told again."""
        return self.result is None and self.over and self.statuses[-1].repeated

    @property
    def state(self) -> str:
        """The last state told, in words."""
        return self.statuses[-1].state if self.statuses else "sent" if self.asked else "unknown"

    def tell_status(self, status: Status) -> None:
        """One more record of `status`; nothing that follows a terminal state counts."""
        if self.asked:
            self._answer = self._answer or self._answer_in(status)
        if self.unanswered:
            return  # The story so far is another sender's.
        if self.over and not self._born_again(status):
            return
        if self.asked and status.state == "conflict":
            self.conflict = status.error or JobError(code="conflict", message=f"{self.id} is the id of another job")
        self.statuses.append(status)
        self.changed()

    def tell_result(self, result: Result) -> None:
        """A record of `results`."""
        if self.asked and result.state == "rejected":
            self._answer, self.result = self._answer or "rejected", result
        elif self._answer != "rejected" and (self.result is None or self.result.state == "rejected"):
            self.result = result
        self.changed()

    async def change(self) -> None:
        """Wait until something is told."""
        await self._wake.wait()

    async def stream(self) -> AsyncGenerator[Status]:
        """Every state from the first one told to the terminal one; nothing after that."""
        told = 0
        while True:
            wake = self._wake
            fresh = self.statuses[told:]
            told = len(self.statuses)
            for status in fresh:
                yield status
            if self.over and told == len(self.statuses):
                return
            if told == len(self.statuses):
                await wake.wait()

    def changed(self) -> None:
        """Wake whoever waits for news."""
        self._wake.set()
        self._wake = asyncio.Event()

    def _answer_in(self, status: Status) -> str | None:
        if status.state in ANSWERS:
            return status.state
        ended = self.first and status.state in TERMINAL
        return "accepted" if status.repeated or ended else None

    def _born_again(self, status: Status) -> bool:
        """A rejection leaves the id free: what is accepted after it is another job."""
        reborn = not self.asked and self.statuses[-1].state == "rejected" and status.state == "accepted"
        if reborn:
            self.statuses.clear()
        return reborn
