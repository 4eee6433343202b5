"""Where Darkroom is: what the caller says, else the environment, else the system running on this folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from contracts.brokers import Brokers, Reach
from contracts.topics import Topics
from darkroom import running
from darkroom.errors import DarkroomError, NotRunning
from infra.settings import BadSetting, read_settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A Kafka, and what the topics on it are called."""

    brokers: Brokers
    topics: Topics

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address, for people."""
        return self.brokers.servers


def find(
    bootstrap_servers: Reach | None = None,
    *,
    prefix: str | None = None,
    data: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] = os.environ,
) -> Place:
    """The place these words mean. Raises `NotRunning`."""
    servers = bootstrap_servers or (None if data else env.get("DARKROOM_KAFKA_BOOTSTRAP_SERVERS"))
    if servers:
        named = prefix if prefix is not None else env.get("DARKROOM_KAFKA_PREFIX", "")
        brokers = _let_in(servers, env) if isinstance(servers, str) else servers
        return Place(brokers=brokers, topics=Topics(prefix=named))
    folder = Path(data) if data else running.DATA
    if not data and not running.note(folder).exists():
        raise NotRunning("No Darkroom runs here. Start one with `darkroom up`, or name the Kafka it is on.")
    return of(running.read(folder), env)


def of(system: running.Running, env: Mapping[str, str] = os.environ) -> Place:
    """The place of a running system. Raises `DarkroomError` if its Kafka has a lock and the environment a bad key."""
    servers = system.bootstrap_servers
    brokers = _let_in(servers, env) if system.secured else Brokers(servers=servers)
    return Place(brokers=brokers, topics=Topics(prefix=system.prefix, pools=tuple(system.pools)))


def _let_in(servers: str, env: Mapping[str, str]) -> Brokers:
    """These servers, and what the settings say of how to be let in."""
    try:
        return replace(read_settings(env).kafka.brokers, servers=servers)
    except BadSetting as error:
        raise DarkroomError(str(error)) from None
