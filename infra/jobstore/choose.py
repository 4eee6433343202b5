"""From a URL in the settings to a job store."""

from __future__ import annotations

from pathlib import Path

from infra.jobstore.memory import MemoryJobs
from infra.jobstore.sqlite import SqliteJobs
from infra.settings import Cassandra
from streams.ports import JobStore

FORMS = "sqlite:///file, cassandra://host:port/keyspace or memory:"


def open_jobs(url: str, cassandra: Cassandra | None = None) -> JobStore:
    """`sqlite:///relative/file`, `sqlite:////absolute/file`, `cassandra://host:port[,host…]/keyspace` or `memory:`.

    Nothing is connected yet. Raises ValueError for any other.
    """
    if url == "memory:":
        return MemoryJobs()
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return SqliteJobs(Path(url.removeprefix("sqlite:///")))
    if url.startswith("cassandra://"):
        return _cassandra(url, cassandra or Cassandra())
    raise ValueError(f"store.jobs: not a URL of a job store ({FORMS})")


def _cassandra(url: str, settings: Cassandra) -> JobStore:
    try:
        from infra.jobstore.cassandra import CassandraJobs
        from infra.jobstore.cassandra_place import place_of
    except ImportError as error:
        raise ValueError("store.jobs: Cassandra needs an extra: pip install 'darkroom[cassandra]'") from error
    return CassandraJobs(place_of(url), settings)
