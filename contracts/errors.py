"""Every error code a job can end with: the closed list that clients may switch on."""

from __future__ import annotations

from typing import Literal, get_args

ErrorCode = Literal[
    "invalid",  # a field is missing, unknown, of the wrong type or out of range
    "too_large",  # a field or the whole event is larger than is taken
    "unknown_model",
    "unsupported",  # the model cannot do this
    "busy",  # over the tenant's limit: send it again later
    "conflict",  # the id belongs to another job
    "expired",  # its time to live passed before it was done
    "cancelled",
    "image_unavailable",  # the input picture could not be fetched or read
    "out_of_memory",
    "poison",  # this one job breaks the computation
    "engine_broken",
    "engine_error",
    "storage",  # outputs could not be stored
    "internal",  # our own fault
]
ERROR_CODES: frozenset[str] = frozenset(get_args(ErrorCode))
