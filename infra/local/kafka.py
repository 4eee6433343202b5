"""One real Kafka broker on loopback, started from Python.

    with LocalKafka(Path("data")) as kafka:
        Client(kafka.bootstrap)

From a shell: `python -m infra.local.kafka --data DIR [--port N]`.
"""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Self

from infra.local import aot, jars, jre, probe
from infra.local.child import Child
from infra.local.claim import Claim
from infra.local.errors import KafkaDidNotStart, PortInUseError
from infra.local.folder import Folder
from infra.local.ports import free_ports, is_free
from infra.local.properties import Door, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

NOTE = "kafka.pid"  # beside the lock: who runs here
ROUND = 0.05  # seconds between looks at a starting broker
TRIES = 3  # starts, when a port we chose ourselves is taken between choice and use
STOP_PATIENCE = 20.0  # seconds to close its files before it is killed


class LocalKafka:
    """A broker that keeps its records in one folder; ports may differ from one object to the next, never within one.

    Blocking, and safe to call from any thread; from asyncio use `async with`, or `asyncio.to_thread`.
    """

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
        self._folder = Folder(data_dir)
        self._asked_port = port
        self._progress = progress
        self._jvm_options = jvm_options
        self._doors = tuple(doors)
        self._death = signal.SIGTERM
        self._node: Node | None = None
        self._claim: Claim | None = None
        self._child: Child | None = None
        self._classpath: Sequence[Path] = ()

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
            message = "the broker has no address before it is started"
            raise RuntimeError(message)
        return self._node.port

    @property
    def pid(self) -> int | None:
        """Return the process id of the running broker."""
        return self._child.pid if self._child else None

    @property
    def running(self) -> bool:
        """Tell whether the process lives (ready or not)."""
        return self._child is not None and self._child.alive

    @property
    def log(self) -> Path:
        """Return the file that holds the broker's output."""
        return self._folder.log

    def start(self, timeout: float = 120.0) -> Self:
        """Start the broker and return when clients can use it; nothing happens when it runs.

        `timeout` is in seconds: 50 were seen at a load of 30 on two cores; a broker that ends is noticed at once.
        Raises a LocalKafkaError.
        """
        for tries_left in reversed(range(TRIES)):
            try:
                self.launch()
                self.wait_ready(timeout)
            except KafkaDidNotStart as error:
                self.kill9()
                if not tries_left or self._asked_port or "already in use" not in error.tail:
                    raise
                self._node = None
            except BaseException:
                self.kill9()
                raise
            else:
                break
        return self

    def launch(self) -> None:
        """Start the process without waiting for it to be ready."""
        if self.running:
            return
        self._folder.prepare()
        self._claim = self._claim or Claim(self._folder.path, NOTE)
        self._classpath = jars.fetch(jars.pinned(), progress=self._progress)
        self._node = self._settle_ports()
        self._folder.format(self._node, self._classpath)
        self._child = self._spawn(self._claim)
        self._claim.record([self._child.pid])

    def wait_ready(self, timeout: float = 120.0) -> None:
        """Wait until the broker answers and serves groups and transactions. Raises KafkaDidNotStart."""
        deadline = time.monotonic() + timeout
        self._wait_for(probe.answers, deadline)
        self._wait_for(lambda port: probe.coordinates(port, "group"), deadline)
        self._wait_for(lambda port: probe.coordinates(port, "transaction"), deadline)

    def stop(self, timeout: float = STOP_PATIENCE) -> None:
        """End the broker in order, or by force after `timeout` seconds; its records stay."""
        if self._child:
            self._child.signal(signal.SIGTERM)
            self._child.wait(timeout)
        self.kill9()

    def kill9(self) -> None:
        """End the broker as a crash would: no chance to close anything."""
        if self._child:
            self._child.signal(signal.SIGKILL)
            self._child.wait(None)
            self._child = None
        if self._claim:
            self._claim.release()
            self._claim = None

    def _settle_ports(self) -> Node:
        """Keep the ports of an earlier start of this object; clients still know them."""
        node = self._node or self._new_node()
        if not is_free(node.port):
            raise PortInUseError(node.port)
        return node

    def _new_node(self) -> Node:
        first, controller = free_ports(2)
        return Node(
            node_id=1,
            port=self._asked_port or first,
            controller_port=controller,
            voters=((1, controller),),
            doors=self._doors,
        )

    def _spawn(self, claim: Claim) -> Child:
        options = (*self._folder.jvm_options(), *(self._jvm_options or aot.options(self._classpath)))
        argv = jre.command("kafka.Kafka", str(self._folder.properties), classpath=self._classpath, options=options)
        return Child(argv, log=self._folder.log, env=jre.environment(), keep_fd=claim.fd, death=self._death)

    def _wait_for(self, ready: Callable[[int], bool], deadline: float) -> None:
        child, node = self._child, self._node
        if child is None or node is None:
            message = "launch the broker before waiting for it"
            raise RuntimeError(message)
        while not ready(node.port):
            if child.wait(ROUND):
                raise self._did_not_start(f"it ended with status {child.exit_status}")
            if time.monotonic() > deadline:
                raise self._did_not_start("it did not answer in time")

    def _did_not_start(self, reason: str) -> KafkaDidNotStart:
        return KafkaDidNotStart(reason, self._folder.log, self._folder.tail())

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    async def __aenter__(self) -> Self:
        """Start without blocking the event loop."""
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        """Stop without blocking the event loop."""
        await asyncio.to_thread(self.stop)


if __name__ == "__main__":
    from infra.local.__main__ import main

    main()
