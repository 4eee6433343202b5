"""Where Darkroom is: what the caller says, else the environment, else the system running on this folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.topics import Topics
from darkroom import running
from darkroom.errors import NotRunning


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A Kafka, and what the topics on it are called."""

    bootstrap_servers: str
    topics: Topics


def find(
    bootstrap_servers: str | None = None,
    *,
    prefix: str | None = None,
    data: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] = os.environ,
) -> Place:
    """The place these words mean. Raises `NotRunning`."""
    servers = bootstrap_servers or (None if data else env.get("DARKROOM_KAFKA_BOOTSTRAP_SERVERS"))
    if servers:
        named = prefix if prefix is not None else env.get("DARKROOM_KAFKA_PREFIX", "")
        return Place(bootstrap_servers=servers, topics=Topics(prefix=named))
    folder = Path(data) if data else running.DATA
    if not data and not running.note(folder).exists():
        raise NotRunning("No Darkroom runs here. Start one with `darkroom up`, or name the Kafka it is on.")
    return of(running.read(folder))


def of(system: running.Running) -> Place:
    """The place of a running system."""
    return Place(bootstrap_servers=system.bootstrap_servers, topics=Topics(prefix=system.prefix, pools=tuple(system.pools)))
