"""The data folder of a node: its records, its log, its properties, its identity."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local import aot, jre
from infra.local.errors import DidNotStart, NoDiskSpaceError
from infra.local.properties import Node, render

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_FREE = 256 << 20  # bytes; a few segments and their indexes
LARGEST_LOG = 10 << 20  # bytes of kafka.log before it is set aside
FORMAT_TIMEOUT = 120.0  # seconds; two starts' worth on a busy machine
LOG4J2 = Path(__file__).with_name("log4j2.yaml")


def new_cluster_id() -> str:
    """Return a fresh id in Kafka's form: 16 bytes, 22 characters, none a leading dash."""
    return base64.urlsafe_b64encode(b"\x01" + uuid.uuid4().bytes[1:]).decode().rstrip("=")


class Folder:
    """The files of one node; `path` is made on `prepare`."""

    def __init__(self, path: Path, log: Path) -> None:
        """Name the folder; nothing is touched yet."""
        self.path = path
        self.log = log
        self.records = self.path / "records"
        self.properties = self.path / "server.properties"
        self.scratch = self.path / "tmp"
        self.cluster_id = new_cluster_id()  # used once, by the first format

    def prepare(self) -> None:
        """Make the folder ready for a start. Raises NoDiskSpaceError."""
        free = shutil.disk_usage(self.path).free
        if free < LEAST_FREE:
            raise NoDiskSpaceError(self.path, free)
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))

    def jvm_options(self) -> tuple[str, ...]:
        """Return what keeps everything the JVM writes in this folder."""
        return (
            f"-Djava.io.tmpdir={self.scratch}",
            f"-XX:ErrorFile={self.path / 'jvm-crash.log'}",
            f"-Dlog4j2.configurationFile={LOG4J2}",
        )

    def format(self, node: Node, classpath: Sequence[Path]) -> None:
        """Write the properties for this start and, the first time, the empty records. Raises DidNotStart."""
        shutil.rmtree(self.scratch, ignore_errors=True)  # a killed broker leaves unpacked libraries there
        self.scratch.mkdir()
        if not self.records.exists():
            self._format(node, classpath)
        self.properties.write_text(render(node, self.records))

    def _format(self, node: Node, classpath: Sequence[Path]) -> None:
        # Under another name first: killed half-way, it must not pass for formatted.
        part = self.path / "records.part"
        shutil.rmtree(part, ignore_errors=True)
        self.properties.write_text(render(node, part))
        arguments = ("format", "-t", self.cluster_id, "-c", str(self.properties))
        options = (*self.jvm_options(), *aot.options(classpath))
        self._run(jre.command("kafka.tools.StorageTool", *arguments, classpath=classpath, options=options))
        part.rename(self.records)

    def _run(self, argv: list[str]) -> None:
        with self.log.open("ab") as out:
            try:
                subprocess.run(
                    argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    env=jre.environment(), timeout=FORMAT_TIMEOUT, check=True,
                )  # fmt: skip
            except (subprocess.SubprocessError, OSError) as error:
                reason = f"its folder could not be formatted ({type(error).__name__})"
                raise DidNotStart("Kafka", reason, self.log) from error
