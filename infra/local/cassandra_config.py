"""cassandra.yaml of one node on loopback: what a laptop needs, and why it differs from Cassandra's defaults."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMON: dict[str, Any] = {
    "cluster_name": "darkroom",
    "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
    "endpoint_snitch": "SimpleSnitch",
    "listen_address": "127.0.0.1",
    "rpc_address": "127.0.0.1",
    # One node: no token to negotiate, no ring to join.
    "num_tokens": 1,
    "initial_token": "0",
    "auto_bootstrap": False,
    "hinted_handoff_enabled": False,
    "dynamic_snitch": False,
    # Version 1 let 32 racing conditional writes time each other out.
    "paxos_variant": "v2",
    # `periodic`, the default, acknowledges what a kill loses: other replicas have it. Here there are none.
    "commitlog_sync": "batch",
    "commitlog_segment_size": "8MiB",
    # A test drops many tables, and nobody wants them back.
    "auto_snapshot": False,
    "cdc_enabled": False,
    # A busy laptop is slow, not broken.
    "read_request_timeout": "10s",
    "range_request_timeout": "10s",
    "write_request_timeout": "10s",
    "cas_contention_timeout": "5s",
    "truncate_request_timeout": "60s",
    # Small: hundreds of megabytes in all.
    "memtable_heap_space": "64MiB",
    "memtable_offheap_space": "64MiB",
    "file_cache_size": "32MiB",
    "networking_cache_size": "16MiB",
    "key_cache_size": "8MiB",
    "concurrent_reads": 16,
    "concurrent_writes": 16,
    "concurrent_compactors": 1,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Locks:
    """Who may connect: people with a password, and over TLS those with a certificate. Plain connections stay possible."""

    key: Path
    """PEM: the server's private key (PKCS #8) and its certificate."""
    ca: Path
    """PEM: who signs certificates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """Of one node."""

    clients: int
    storage: int
    """For other nodes, of which there are none; it is opened all the same."""


def render(ports: Ports, locks: Locks | None) -> str:
    """The text of cassandra.yaml. JSON is YAML."""
    seeds = {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider"}
    return json.dumps(
        {
            **COMMON,
            "native_transport_port": ports.clients,
            "storage_port": ports.storage,
            "seed_provider": [{**seeds, "parameters": [{"seeds": f"127.0.0.1:{ports.storage}"}]}],
            **(_locked(locks) if locks else {}),
        },
        indent=1,
    )


def _locked(locks: Locks) -> dict[str, Any]:
    return {
        "authenticator": "PasswordAuthenticator",
        "authorizer": "CassandraAuthorizer",
        "role_manager": "CassandraRoleManager",
        # A new role or right counts at once, not after two seconds.
        "roles_validity": "0ms",
        "permissions_validity": "0ms",
        "client_encryption_options": {
            "enabled": True,
            "optional": True,
            "require_client_auth": True,
            "ssl_context_factory": {"class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory"},
            "keystore": str(locks.key),
            "truststore": str(locks.ca),
        },
    }
