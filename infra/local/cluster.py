"""Several brokers as one cluster, for tests of what one broker cannot show: leaders moving, replicas missing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from infra.local.folder import new_cluster_id
from infra.local.kafka import LocalKafka
from infra.local.ports import free_ports
from infra.local.properties import Node

if TYPE_CHECKING:
    from pathlib import Path


class LocalCluster:
    """`n` nodes, each broker and controller, in folders below one; about 200 MB of memory each."""

    def __init__(self, data_dir: Path, n: int = 3) -> None:
        """Settle ports and identity; nothing runs yet. Make one object per folder: a second gets a new identity."""
        ports = free_ports(2 * n)
        voters = tuple(enumerate(ports[n:], start=1))
        cluster_id = new_cluster_id()
        nodes = [
            Node(node_id=voter, port=port, controller_port=controller, voters=voters)
            for (voter, controller), port in zip(voters, ports[:n], strict=True)
        ]
        self.brokers = tuple(LocalKafka.member(data_dir / f"node-{node.node_id}", node, cluster_id) for node in nodes)

    @property
    def bootstrap(self) -> str:
        """Return every broker's address."""
        return ",".join(f"127.0.0.1:{broker.port}" for broker in self.brokers)

    def start(self, timeout: float = 120.0) -> Self:
        """Start all, then wait for all: one alone has no quorum and is never ready."""
        with ThreadPoolExecutor(len(self.brokers)) as pool:
            list(pool.map(LocalKafka.launch, self.brokers))
        for broker in self.brokers:
            broker.wait_ready(timeout)
        return self

    def stop(self) -> None:
        """Stop all at once: the last ones would wait for a quorum that is gone."""
        with ThreadPoolExecutor(len(self.brokers)) as pool:
            list(pool.map(LocalKafka.stop, self.brokers))

    def __enter__(self) -> Self:
        """Start."""
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()
