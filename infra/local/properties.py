"""server.properties of a node: what a laptop needs, and why it differs from Kafka's defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
PROTOCOLS = "listener.security.protocol.map"
REPLICAS = 3  # of internal topics, where the cluster has so many nodes

COMMON = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    PROTOCOLS: "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # Topics are declared with their settings; a mistyped name must fail, not appear.
    "auto.create.topics.enable": "false",
    # Inputs and outputs go by reference, yet an embedded picture should not be refused.
    "message.max.bytes": 16 * MIB,
    "replica.fetch.max.bytes": 16 * MIB,
    # A week of records; offsets outlive them, so that a laptop switched off for long does not start over.
    "log.retention.hours": 7 * 24,
    "offsets.retention.minutes": 30 * 24 * 60,
    # Small files: the index of a segment is mapped memory, and a laptop has many small partitions.
    "log.segment.bytes": 64 * MIB,
    "log.index.size.max.bytes": MIB,
    "log.cleaner.dedupe.buffer.size": 16 * MIB,
    "log.cleaner.threads": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.num.partitions": 1,
    # A group starts and a dead member is noticed at once.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    # A broker that comes back from a crash is let in when its old session is over.
    "broker.session.timeout.ms": 4000,
    "broker.heartbeat.interval.ms": 1000,
    # Few threads, and a controller that writes "nothing happened" every 5 s instead of twice a second.
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    "metadata.max.idle.interval.ms": 5000,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """One more listener of a node, for clients that have to say who they are."""

    name: str
    """In capitals; a listener's name is part of its settings' names."""
    port: int
    protocol: Literal["SASL_PLAINTEXT", "SASL_SSL", "SSL"]
    settings: tuple[tuple[str, str], ...]
    """Kafka's names for them, less what they begin with for one listener."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One node of a cluster; `voters` holds every node's (id, controller port)."""

    node_id: int
    port: int
    controller_port: int
    voters: tuple[tuple[int, int], ...]
    doors: tuple[Door, ...] = ()


def render(node: Node, logs: Path) -> str:
    """Return the text of server.properties for a node that keeps its records in `logs`."""
    lines = {**COMMON, **_addresses(node), **_replication(len(node.voters)), "log.dirs": logs.as_posix()}
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def _addresses(node: Node) -> dict[str, object]:
    clients = ",".join([f"PLAINTEXT://127.0.0.1:{node.port}", *(f"{door.name}://127.0.0.1:{door.port}" for door in node.doors)])
    protocols = ",".join([str(COMMON[PROTOCOLS]), *(f"{door.name}:{door.protocol}" for door in node.doors)])
    voters = ",".join(f"{voter}@127.0.0.1:{port}" for voter, port in node.voters)
    return {
        "node.id": node.node_id,
        "listeners": f"{clients},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": clients,
        PROTOCOLS: protocols,
        "controller.quorum.voters": voters,
        **{f"listener.name.{door.name.lower()}.{name}": value for door in node.doors for name, value in door.settings},
    }


def _replication(nodes: int) -> dict[str, object]:
    replicas, in_sync = min(nodes, REPLICAS), min(nodes, 2)
    return {
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "offsets.topic.replication.factor": replicas,
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
    }
