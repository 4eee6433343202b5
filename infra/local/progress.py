"""A progress bar for the one long wait of a first start: a download."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def download_progress(what: str = "Kafka") -> Iterator[Callable[[int, int], None]]:
    """Yield a `progress(done, total)` that draws on stderr when first called, and goes when all is there."""
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(f"Downloading {what} (once)", total=None)

    def report(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)
        if done == total:
            bar.stop()

    try:
        yield report
    finally:
        if bar.live.is_started:  # stopping one that never ran prints an empty line
            bar.stop()
