"""Darkroom's Python client: send generation jobs, follow them, take their pictures.

    from darkroom import Client

    with Client() as client:
        client.submit(prompt="a red circle", tenant="acme").save("circle.png")

Importing this costs next to nothing: Kafka's client is loaded with the first name that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contracts.brokers import Brokers
    from contracts.events import Inputs, Job, JobError, Output, Result, Status
    from darkroom.client import AsyncClient
    from darkroom.errors import Conflict, DarkroomError, InvalidJob, JobFailed, NotReachable, NotRunning, Timeout
    from darkroom.handle import AsyncHandle, Handle
    from darkroom.ids import new_id
    from darkroom.sync import Client

_HOMES = {
    "contracts.brokers": ("Brokers",),
    "contracts.events": ("Inputs", "Job", "JobError", "Output", "Result", "Status"),
    "darkroom.client": ("AsyncClient",),
    "darkroom.errors": ("Conflict", "DarkroomError", "InvalidJob", "JobFailed", "NotReachable", "NotRunning", "Timeout"),
    "darkroom.handle": ("AsyncHandle", "Handle"),
    "darkroom.ids": ("new_id",),
    "darkroom.sync": ("Client",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AsyncClient",
    "AsyncHandle",
    "Brokers",
    "Client",
    "Conflict",
    "DarkroomError",
    "Handle",
    "Inputs",
    "InvalidJob",
    "Job",
    "JobError",
    "JobFailed",
    "NotReachable",
    "NotRunning",
    "Output",
    "Result",
    "Status",
    "Timeout",
    "new_id",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
