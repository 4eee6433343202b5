"""What a failed run leads to: another try, or the end."""

from __future__ import annotations

import msgspec

from contracts.events import JobError
from contracts.work import QueuedJob

BACKOFF_S = (1.0, 2.0, 4.0)
"""Wait before the second, third and fourth run. As many retries as there are waits."""

_decode = msgspec.json.Decoder(QueuedJob).decode


def read_queued(raw: msgspec.Raw) -> QueuedJob | None:
    """The queued job that a failed run's outcome carries; None if it carries none that can run again."""
    try:
        return None if bytes(raw) in (b"", b"null") else _decode(raw)
    except msgspec.DecodeError:
        return None


def next_try(failed: QueuedJob, error: JobError | None, now: float) -> QueuedJob | None:
    """The same job as it queues again, or None when it is not to run again."""
    tries = failed.attempt - 1
    if error is None or not error.retryable or tries >= len(BACKOFF_S):
        return None
    wait = max(BACKOFF_S[tries], error.retry_after_s or 0.0)
    codes = [*failed.failures, error.code]
    return msgspec.structs.replace(failed, attempt=failed.attempt + 1, not_before=now + wait, failures=codes)
