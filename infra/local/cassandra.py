"""One real Cassandra node on loopback, started from Python, for tests and for a laptop.

    with LocalCassandra(Path("data")) as cassandra:
        open_jobs(cassandra.url("darkroom"))

From a shell: `python -m infra.local.cassandra --data DIR [--port N]`.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.local import cassandra_java, jars
from infra.local.cassandra_config import Locks, Ports, render
from infra.local.ports import accepts, free_ports
from infra.local.server import Server, foreground

JARS = Path(__file__).with_name("cassandra-5.0.9.jars")
LOGBACK = Path(__file__).with_name("cassandra-logback.xml")

# A lone node need not wait for others to be heard of.
ALONE = {
    "cassandra-foreground": "yes",
    "cassandra.skip_wait_for_gossip_to_settle": "0",
    "cassandra.ring_delay_ms": "1",
    "cassandra.load_ring_state": "false",
    "cassandra.superuser_setup_delay_ms": "0",
}


class LocalCassandra(Server):
    """A node that keeps its data in one folder."""

    name = "Cassandra"
    start_s = 180.0
    stop_s = 30.0

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        locks: Locks | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Describe the node; nothing runs yet. `progress(done, total)` is told about jars being downloaded."""
        super().__init__(data_dir)
        self._asked_port = port
        self._locks = locks
        self._progress = progress
        self._ports: Ports | None = None

    @property
    def port(self) -> int:
        """The port for clients; known once `launch` has returned, and the same after each further start."""
        if self._ports is None:
            raise RuntimeError("Cassandra has no address before it is started")
        return self._ports.clients

    def url(self, keyspace: str) -> str:
        """The address of a keyspace, as the settings want it."""
        return f"cassandra://127.0.0.1:{self.port}/{keyspace}"

    def _settle_ports(self) -> None:
        if self._ports is None:
            free, storage = free_ports(2)
            self._ports = Ports(clients=self._asked_port or free, storage=storage)

    def _answers(self) -> bool:
        # It takes connections last of all.
        return accepts(self.port)

    def _command(self) -> list[str]:
        assert self._ports
        (self.folder / "cassandra.yaml").write_text(render(self._ports, self._locks))
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


def main() -> None:
    """Run until Ctrl-C or SIGTERM; print the address on a line of its own once clients may connect."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.cassandra", description="A Cassandra on loopback, until Ctrl-C.")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps the data")
    parser.add_argument("--port", type=int, help="port for clients (default: any free one)")
    options = parser.parse_args()
    foreground(
        LocalCassandra.name,
        lambda progress: LocalCassandra(options.data, options.port, progress=progress),
        lambda cassandra: f"127.0.0.1:{cassandra.port}",
    )


if __name__ == "__main__":
    main()
