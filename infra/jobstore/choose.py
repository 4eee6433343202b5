"""From a URL in the settings to a job store."""

from __future__ import annotations

from pathlib import Path

from infra.jobstore.memory import MemoryJobs
from infra.jobstore.sqlite import SqliteJobs
from streams.ports import JobStore


def open_jobs(url: str) -> JobStore:
    """`sqlite:///relative/file`, `sqlite:////absolute/file` or `memory:`. Raises ValueError for any other."""
    if url == "memory:":
        return MemoryJobs()
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return SqliteJobs(Path(url.removeprefix("sqlite:///")))
    raise ValueError("store.jobs: not a URL of a job store (sqlite:///file or memory:)")
