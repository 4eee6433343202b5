"""One real Cassandra node on loopback, started from Python, for tests and for a laptop.

    with LocalCassandra(Path("data")) as cassandra:
        open_jobs(cassandra.url("darkroom"))

From a shell: `python -m infra.local.cassandra --data DIR [--port N]`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from infra.local import cassandra_java, jars, jre
from infra.local.cassandra_config import Locks, Ports, render
from infra.local.child import Child
from infra.local.claim import Claim
from infra.local.errors import PortInUseError
from infra.local.ports import free_ports, is_free
from infra.local.progress import download_progress

JARS = Path(__file__).with_name("cassandra-5.0.9.jars")
LOGBACK = Path(__file__).with_name("cassandra-logback.xml")
NOTE = "cassandra.pid"
ROUND_S = 0.1
STOP_S = 30.0
"""To close its files before it is killed (seconds)."""
LOG_TAIL = 25

# A lone node need not wait for others to be heard of.
ALONE = {
    "cassandra-foreground": "yes",
    "cassandra.skip_wait_for_gossip_to_settle": "0",
    "cassandra.ring_delay_ms": "1",
    "cassandra.load_ring_state": "false",
    "cassandra.superuser_setup_delay_ms": "0",
}


class CassandraDidNotStart(Exception):
    """It ended early or did not answer in time; carries the end of its log."""


class LocalCassandra:
    """A node that keeps its data in one folder. Blocking, and safe to call from any thread."""

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        locks: Locks | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Describe the node; nothing runs yet. `progress(done, total)` is told about jars being downloaded."""
        self.folder = data_dir.absolute()
        self.log = self.folder / "cassandra.log"
        self._asked_port = port
        self._locks = locks
        self._progress = progress
        self._ports: Ports | None = None
        self._claim: Claim | None = None
        self._child: Child | None = None

    @property
    def port(self) -> int:
        """The port for clients; known once `launch` has returned, and the same after each further start."""
        if self._ports is None:
            raise RuntimeError("Cassandra has no address before it is started")
        return self._ports.clients

    def url(self, keyspace: str) -> str:
        """The address of a keyspace, as the settings want it."""
        return f"cassandra://127.0.0.1:{self.port}/{keyspace}"

    @property
    def running(self) -> bool:
        """Whether the process lives (ready or not)."""
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._child.pid if self._child else None

    def start(self, timeout: float = 180.0) -> Self:
        """Start the node and return when clients can use it. Nothing happens when it runs."""
        try:
            self.launch()
            self.wait_ready(timeout)
        except BaseException:
            self.kill9()
            raise
        return self

    def launch(self) -> None:
        """Start the process without waiting for it to be ready."""
        if self.running:
            return
        self._claim = self._claim or Claim(self.folder, NOTE)
        self._ports = self._settle_ports()
        (self.folder / "cassandra.yaml").write_text(render(self._ports, self._locks))
        self._child = Child(self._command(), log=self.log, env=jre.environment(), keep_fd=self._claim.fd)
        self._claim.record([self._child.pid])

    def wait_ready(self, timeout: float = 180.0) -> None:
        """Wait until it takes connections, which it does last of all. Raises `CassandraDidNotStart`."""
        child, deadline = self._child, time.monotonic() + timeout
        if child is None:
            raise RuntimeError("launch Cassandra before waiting for it")
        while not _accepts(self.port):
            if child.wait(ROUND_S):
                raise self._did_not_start(f"it ended with status {child.exit_status}")
            if time.monotonic() > deadline:
                raise self._did_not_start("it did not answer in time")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process: SIGSTOP makes a node that is there and does not answer."""
        if self._child:
            self._child.signal(number)

    def stop(self, timeout: float = STOP_S) -> None:
        """End it in order, or by force after `timeout` seconds; its data stay."""
        if self._child:
            self._child.signal(signal.SIGTERM)
            self._child.wait(timeout)
        self.kill9()

    def kill9(self) -> None:
        """End it as a crash would."""
        if self._child:
            self._child.signal(signal.SIGKILL)
            self._child.wait(None)
            self._child = None
        if self._claim:
            self._claim.release()
            self._claim = None

    def _settle_ports(self) -> Ports:
        if self._ports is None:
            free, storage = free_ports(2)
            return Ports(clients=self._asked_port or free, storage=storage)
        if not is_free(self._ports.clients):
            raise PortInUseError(self._ports.clients)
        return self._ports

    def _command(self) -> list[str]:
        scratch = self.folder / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)  # a killed node leaves unpacked libraries there
        scratch.mkdir()
        properties = {
            **ALONE,
            "cassandra.config": (self.folder / "cassandra.yaml").as_uri(),
            "cassandra.storagedir": str(self.folder),
            "logback.configurationFile": str(LOGBACK),
            "java.io.tmpdir": str(scratch),
            "jna.tmpdir": str(scratch),
        }
        classpath = self.classpath(self._progress)
        options = [f"-D{name}={value}" for name, value in properties.items()]
        joined = os.pathsep.join(map(str, classpath))
        flags = (*cassandra_java.FLAGS, f"-XX:ErrorFile={self.folder / 'jvm-crash.log'}")
        return [str(cassandra_java.java()), *flags, *options, "-cp", joined, "org.apache.cassandra.service.CassandraDaemon"]

    @staticmethod
    def classpath(progress: Callable[[int, int], None] | None = None) -> Sequence[Path]:
        """The pinned jars, downloaded if need be."""
        return jars.fetch(jars.pinned(JARS), progress=progress)

    def _did_not_start(self, reason: str) -> CassandraDidNotStart:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL:] if self.log.exists() else ["(no log)"]
        return CassandraDidNotStart(f"Cassandra did not start: {reason}. The end of {self.log}:\n" + "\n".join(lines))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5.0).close()
    except OSError:
        return False
    return True


def main() -> None:
    """Run until Ctrl-C or SIGTERM; print the address on a line of its own once clients may connect."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.cassandra", description="A Cassandra on loopback, until Ctrl-C.")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps the data")
    parser.add_argument("--port", type=int, help="port for clients (default: any free one)")
    options = parser.parse_args()
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with download_progress() as progress, LocalCassandra(options.data, options.port, progress=progress) as cassandra:
        print(f"127.0.0.1:{cassandra.port}", flush=True)  # noqa: T201 - the program's answer
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
