"""Where a Cassandra is, and how to connect to it: addresses, credentials, TLS, and how its requests behave."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Any

from cassandra import AuthenticationFailed, ConsistencyLevel, InvalidRequest, Unauthorized
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.policies import (
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    FallthroughRetryPolicy,
    RoundRobinPolicy,
    TokenAwarePolicy,
)
from cassandra.query import dict_factory

from contracts.tls import BadFile, tls_context
from infra.settings import BadSetting, Cassandra

SCHEME = "cassandra://"
PORT = 9042
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}")
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")

RECONNECT_S = (0.2, 10.0)
"""First and longest wait before a node that went away is tried again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What `cassandra://host:port[,host…]/keyspace` says."""

    hosts: tuple[tuple[str, int], ...]
    keyspace: str

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.hosts[0][0]}:{self.hosts[0][1]}/{self.keyspace}"


def place_of(url: str) -> Place:
    """Raises BadSetting; its text repeats nothing of the URL, which may hold what somebody took for its place."""
    hosts, _, keyspace = url.removeprefix(SCHEME).partition("/")
    if "@" in hosts:
        raise BadSetting("store.jobs: a user and a password go into DARKROOM_CASSANDRA_USER and _PASSWORD, not into the URL")
    found = [_HOST.fullmatch(one) for one in hosts.split(",")]
    if not all(found) or not _KEYSPACE.fullmatch(keyspace):
        raise BadSetting("store.jobs: not cassandra://host:port[,host…]/keyspace")
    pairs = [(one["host"].strip("[]"), int(one["port"] or PORT)) for one in found if one]
    return Place(hosts=tuple(pairs), keyspace=keyspace)


def new_cluster(place: Place, settings: Cassandra) -> Cluster:
    """A driver that decides nothing by itself: it retries no request and downgrades no consistency."""
    first, longest = RECONNECT_S
    return Cluster(
        contact_points=list(place.hosts),
        port=place.hosts[0][1],
        auth_provider=PlainTextAuthProvider(settings.user, settings.password) if settings.user else None,
        ssl_context=tls(settings),
        execution_profiles={EXEC_PROFILE_DEFAULT: _profile(settings)},
        reconnection_policy=ExponentialReconnectionPolicy(first, longest),
        connect_timeout=settings.timeout_s,
        control_connection_timeout=settings.timeout_s,
        protocol_version=5,
    )


def _profile(settings: Cassandra) -> ExecutionProfile:
    near = DCAwareRoundRobinPolicy(settings.local_dc) if settings.local_dc else RoundRobinPolicy()
    # Across all data centres: LOCAL_SERIAL in two of them would let two outcomes of one job win.
    return ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(near),
        retry_policy=FallthroughRetryPolicy(),
        consistency_level=ConsistencyLevel.QUORUM,
        serial_consistency_level=ConsistencyLevel.SERIAL,
        request_timeout=settings.timeout_s,
        row_factory=dict_factory,
    )


def tls(settings: Cassandra) -> ssl.SSLContext | None:
    """TLS, if a CA turns it on. Raises BadSetting.

    Nodes are found by address, and certificates of clusters seldom name addresses: by default the CA is what is trusted.
    """
    if not settings.ca_file:
        if settings.cert_file:
            raise BadSetting("cassandra.cert_file: for TLS there must be a cassandra.ca_file, too")
        return None
    files = {"ca_file": settings.ca_file, "cert_file": settings.cert_file, "key_file": settings.key_file}
    try:
        return tls_context("cassandra", **files, verify_host=settings.verify_host)
    except BadFile as error:
        raise BadSetting(str(error)) from None


def replication(settings: Cassandra) -> dict[str, Any]:
    """The replication of a new keyspace: `3`, or `dc1:3,dc2:2`. Raises BadSetting."""
    text = settings.replication.strip()
    if text.isdecimal() and int(text):
        return {"class": "SimpleStrategy", "replication_factor": int(text)}
    pairs = [re.fullmatch(r"([A-Za-z0-9_.-]+):([1-9]\d?)", part.strip()) for part in text.split(",")]
    if not all(pairs):
        raise BadSetting("cassandra.replication: neither a number (3) nor data centres with one each (dc1:3,dc2:3)")
    return {"class": "NetworkTopologyStrategy", **{one[1]: int(one[2]) for one in pairs if one}}


def kind(error: Exception) -> str:
    """What went wrong, in words of ours: those of the server and the driver may quote values."""
    if isinstance(error, NoHostAvailable):
        causes = list(error.errors.values()) if isinstance(error.errors, dict) else []
        return kind(causes[0]) if causes and isinstance(causes[0], Exception) else "no node answers"
    if isinstance(error, AuthenticationFailed):
        return "user or password is wrong"
    if isinstance(error, Unauthorized):
        return "the user may not do that"
    if isinstance(error, InvalidRequest):
        return "the schema does not fit (darkroom schema status)"
    return type(error).__name__
