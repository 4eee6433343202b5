"""What can go wrong for a user of the client, in words to act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts.events import JobError, Result


class DarkroomError(Exception):
    """Any of the errors below."""


class NotReachable(DarkroomError):
    """Kafka does not answer, or no Darkroom runs on it."""


class NotRunning(NotReachable):
    """The data folder belongs to no running system."""


class InvalidJob(DarkroomError, ValueError):
    """A job that can be known to be refused before it is sent. `field` is the dotted path at fault."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Timeout(DarkroomError, TimeoutError):
    """Nothing came in the time allowed. The job itself goes on; ask again later."""


class JobFailed(DarkroomError):
    """The job ended in another state than succeeded."""

    def __init__(self, result: Result) -> None:
        code, message, self.retryable = _reason(result.error, result.state)
        super().__init__(f"{result.state}: {message} ({code})" if message else result.state)
        self.result = result
        self.state = result.state
        self.code = code
        """Stable and machine-readable, e.g. invalid, busy, expired."""
        self.message = message
        self.retry_after_s = result.error.retry_after_s if result.error else None
        """Of a `busy` one: when there is room for it (seconds from then)."""
        self.id = result.id


class Conflict(DarkroomError):
    """The id belongs to another job, one with another body. That one goes on untouched; this one does not exist."""

    def __init__(self, id: str, error: JobError | None) -> None:
        super().__init__(error.message if error else f"{id} is the id of another job")
        self.id = id
        self.code = error.code if error else "conflict"


def innermost(failure: BaseException) -> BaseException:
    """The first cause that can be told in plain words, among tasks that ended together."""
    while isinstance(failure, BaseExceptionGroup):
        failure = next((one for one in failure.exceptions if isinstance(one, DarkroomError)), failure.exceptions[0])
    return failure


def _reason(error: JobError | None, state: str) -> tuple[str, str, bool]:
    return (error.code, error.message, error.retryable) if error else (state, "", False)
