"""One real Kafka broker on loopback, started from Python.

    with LocalKafka(Path("data")) as kafka:
        Client(kafka.bootstrap)

From a shell: `python -m infra.local.kafka --data DIR [--port N]`.
"""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Self

from infra.local import aot, jars, jre, probe
from infra.local.errors import DidNotStart
from infra.local.folder import Folder
from infra.local.ports import free_ports
from infra.local.properties import Door, Node
from infra.local.server import Server, foreground

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TRIES = 3  # starts, when a port we chose ourselves is taken between choice and use


class LocalKafka(Server):
    """A broker that keeps its records in one folder; ports may differ from one object to the next, never within one."""

    name = "Kafka"
    start_s = 120.0  # 50 were seen at a load of 30 on two cores
    stop_s = 20.0
    round_s = 0.05

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
        jvm_options: Sequence[str] = (),
        doors: Sequence[Door] = (),
    ) -> None:
        """Describe the broker; nothing runs yet. `progress(done, total)` is told about jars being downloaded.

        `doors` are listeners beside the plain one of `bootstrap`.
        """
        super().__init__(data_dir)
        self._folder = Folder(self.folder, self.log)
        self._asked_port = port
        self._progress = progress
        self._jvm_options = jvm_options
        self._doors = tuple(doors)
        self._node: Node | None = None

    @classmethod
    def member(cls, data_dir: Path, node: Node, cluster_id: str) -> Self:
        """Describe one node of a cluster whose ports are settled."""
        kafka = cls(data_dir, node.port)
        kafka._node = node
        kafka._folder.cluster_id = cluster_id
        # Nodes told to end together would wait for each other's votes for minutes.
        kafka._death = signal.SIGKILL
        return kafka

    @property
    def bootstrap(self) -> str:
        """Return the address for clients; known once `launch` has returned."""
        return f"127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Return the port for clients; known once `launch` has returned."""
        if self._node is None:
            raise RuntimeError("the broker has no address before it is started")
        return self._node.port

    def start(self, timeout: float | None = None) -> Self:
        for tries_left in reversed(range(TRIES)):
            try:
                return super().start(timeout)
            except DidNotStart as error:
                if not tries_left or self._asked_port or "already in use" not in error.tail:
                    raise
                self._node = None
        raise AssertionError("the last try returns or raises")

    def _answers(self) -> bool:
        serves = (probe.coordinates(self.port, kind) for kind in probe.COORDINATORS)
        return probe.answers(self.port) and all(serves)

    def _settle_ports(self) -> None:
        self._folder.prepare()
        self._node = self._node or self._new_node()

    def _new_node(self) -> Node:
        taken = {self._asked_port, *(door.port for door in self._doors)}  # chosen before, and not listened on yet
        first, controller = [port for port in free_ports(2 + len(taken)) if port not in taken][:2]
        return Node(
            node_id=1,
            port=self._asked_port or first,
            controller_port=controller,
            voters=((1, controller),),
            doors=self._doors,
        )

    def _command(self) -> list[str]:
        assert self._node
        classpath = jars.fetch(jars.pinned(), progress=self._progress)
        self._folder.format(self._node, classpath)
        options = (*self._folder.jvm_options(), *(self._jvm_options or aot.options(classpath)))
        return jre.command("kafka.Kafka", str(self._folder.properties), classpath=classpath, options=options)


def main() -> None:
    """Run until Ctrl-C or SIGTERM; print the address on a line of its own once clients may connect."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.kafka", description="A Kafka on loopback, until Ctrl-C.")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps the records")
    parser.add_argument("--port", type=int, help="port for clients (default: any free one)")
    options = parser.parse_args()
    foreground(
        LocalKafka.name,
        lambda progress: LocalKafka(options.data, options.port, progress=progress),
        lambda kafka: kafka.bootstrap,
    )


if __name__ == "__main__":
    main()
