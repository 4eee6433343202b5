"""The note a running system leaves in its data folder (`up.json`), by which clients find it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from darkroom.errors import NotRunning

DATA = Path(".darkroom")
"""The data folder where none is named."""


class Process(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process of the system."""

    name: str
    pid: int
    http_port: int | None = None
    """Of /metrics, /healthz and /readyz on loopback."""


class Running(Struct, frozen=True, kw_only=True):
    """Where everything is while `darkroom up` runs. Paths are absolute."""

    pid: int
    """Of `darkroom up` itself."""
    started_at: float
    bootstrap_servers: str
    secured: bool = False
    """Whether that Kafka wants to know who comes: then clients need the same `DARKROOM_KAFKA_…` settings."""
    prefix: str
    """Put before every topic and group name."""
    pools: list[str]
    topics: dict[str, str]
    """Role (jobs, control, status, results, dead …) to topic."""
    objects: str
    """Folder of the outputs: an output's `key` is a path below it. Another store's address if it is no folder."""
    job_store: str
    catalog: str = ""
    """File of the models."""
    tenants: str = ""
    """File of what tenants may use; empty: there is none."""
    logs: str
    processes: list[Process]


def note(data: Path) -> Path:
    """Where the note is."""
    return data / "up.json"


def write(data: Path, running: Running) -> None:
    """Leave or renew the note; a reader sees the old one or the new one, never half."""
    part = data / "up.json.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(running), indent=2) + b"\n")
    part.replace(note(data))


def read(data: Path) -> Running:
    """The system that runs on this folder. Raises `NotRunning`."""
    try:
        running = msgspec.json.decode(note(data).read_bytes(), type=Running)
    except FileNotFoundError:
        raise NotRunning(f"No Darkroom runs on {data}. Start one with `darkroom up --data {data}`.") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        raise NotRunning(f"{note(data)} cannot be read.") from None
    if not _lives(running.pid):
        raise NotRunning(f"The Darkroom on {data} has ended. Start it again with `darkroom up --data {data}`.")
    return running


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
