"""Makes the ahead-of-time cache (see aot.py) by one training run of a throw-away broker: about 10 s, 67 MB.

`python -m infra.local.warm` does it once per machine; test runs do, where brokers start dozens of times.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local import aot, jars
from infra.local.cache import cache_dir
from infra.local.errors import LocalServerError
from infra.local.kafka import LocalKafka

if TYPE_CHECKING:
    from collections.abc import Callable

DUMP_PATIENCE = 180.0  # seconds; the JVM writes the cache while it ends


def warm(progress: Callable[[int, int], None] | None = None) -> bool:
    """Make jars and cache ready, unless they are; tell whether the cache is there. Raises JarUnavailableError."""
    classpath = jars.fetch(jars.pinned(), progress=progress)
    target = aot.cache_file(classpath)
    if not target.exists():
        _train(target)
    return target.exists()


def _train(target: Path) -> None:
    # In the cache's own folder, so that the finished file is renamed into place, whole.
    with tempfile.TemporaryDirectory(prefix="training-", dir=cache_dir(), ignore_cleanup_errors=True) as folder:
        made = Path(folder) / "made.aot"
        kafka = LocalKafka(Path(folder) / "data", jvm_options=(f"-XX:AOTCacheOutput={made}",))
        try:
            kafka.start().stop(DUMP_PATIENCE)
        except LocalServerError:
            kafka.kill9()  # no cache is no harm: the next start tells what is wrong, if anything is
        if made.exists():
            made.replace(target)
            aot.prune()


if __name__ == "__main__":
    warm()
