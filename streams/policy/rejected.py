"""Why an event is not taken."""

from __future__ import annotations

from contracts.errors import ErrorCode
from contracts.events import JobError


class Rejected(Exception):
    """The sender's fault: the same event will never be taken. Holds numbers and our own words, no text of the sender's."""

    def __init__(self, code: ErrorCode, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.code = code

    @property
    def error(self) -> JobError:
        """As told on `results`, `status` and `jobs.dead`."""
        return JobError(code=self.code, message=str(self))
