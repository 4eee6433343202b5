"""Every error code a job can end with: the closed list that clients may switch on, and what each one means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

ErrorCode = Literal[
    "invalid",
    "too_large",
    "unknown_model",
    "unsupported",
    "busy",
    "conflict",
    "expired",
    "cancelled",
    "image_unavailable",
    "out_of_memory",
    "poison",
    "engine_error",
    "engine_broken",
    "engine_crashed",
    "engine_hung",
    "storage",
    "internal",
]
ERROR_CODES: frozenset[str] = frozenset(get_args(ErrorCode))

if TYPE_CHECKING:
    Code = ErrorCode
else:
    Code = str  # Who reads events of a newer version must not stumble over a code that came later; we write none but these.


class Meaning(NamedTuple):
    """What a code says."""

    retryable: Literal["yes", "no", "it depends"]
    """Whether the same job sent again may succeed. Where it depends, the error itself says."""
    text: str


_ALONE = "Yes, unless it was the only job in the engine each time that it ended"

MEANINGS: Mapping[ErrorCode, Meaning] = {
    "invalid": Meaning("no", "A field is missing, unknown, of the wrong type or out of range; the message names it."),
    "too_large": Meaning("no", "A field or the whole event is larger than is taken."),
    "unknown_model": Meaning("no", "No model has this name."),
    "unsupported": Meaning("no", "The model cannot do this."),
    "busy": Meaning("yes", "Over the tenant's limit: send it again after `retry_after_s`, with the same id."),
    "conflict": Meaning("no", "The id belongs to another job. Told on `status` only."),
    "expired": Meaning("no", "Its time to live passed before it was done."),
    "cancelled": Meaning("no", "Its owner cancelled it."),
    "image_unavailable": Meaning("it depends", "The input picture could not be fetched, or is none that can be read."),
    "out_of_memory": Meaning("it depends", f"The device, or its machine, ran out of memory. {_ALONE}."),
    "poison": Meaning("no", "This one job breaks the computation."),
    "engine_error": Meaning("it depends", "The engine stumbled over this job, or its model could not be loaded, and lived on."),
    "engine_broken": Meaning("it depends", f"The engine said that it could go on no more. {_ALONE}."),
    "engine_crashed": Meaning("it depends", f"The engine's process ended during the run. {_ALONE}."),
    "engine_hung": Meaning("it depends", f"The engine took no step for too long and was ended. {_ALONE}."),
    "storage": Meaning("yes", "The object store did not answer, or outputs were damaged before they were stored."),
    "internal": Meaning("it depends", "A fault of our own."),
}
