"""From a URL in the settings to a job store."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from contracts.metrics import Metrics
from infra.cache import open_cache
from infra.extras import from_extra, told_as
from infra.jobstore.memory import MemoryJobs
from infra.jobstore.remembering import RememberingJobs
from infra.jobstore.sqlite import SqliteJobs
from infra.settings import BadSetting, Cache, Cassandra
from streams.ports import JobStore

FORMS = "sqlite:///file, cassandra://host:port/keyspace or memory:"


def open_jobs(
    url: str, cassandra: Cassandra | None = None, cache: Cache | None = None, metrics: Metrics | None = None
) -> JobStore:
    """`sqlite:///relative/file`, `sqlite:////absolute/file`, `cassandra://host:port[,host…]/keyspace` or `memory:`.

    With a cache in front, if one is named. Nothing is connected yet. Raises BadSetting for any other.
    """
    store = _open(url, cassandra)
    memory = open_cache(cache or Cache())
    # What is remembered is about the rows of one store: those of another are not to be mistaken for them.
    return RememberingJobs(store, memory, sha256(url.encode()).hexdigest()[:8], metrics) if memory else store


def _open(url: str, cassandra: Cassandra | None) -> JobStore:
    if url == "memory:":
        return MemoryJobs()
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return SqliteJobs(Path(url.removeprefix("sqlite:///")))
    if url.startswith("cassandra://"):
        return _cassandra(url, cassandra or Cassandra())
    raise BadSetting(f"store.jobs: not a URL of a job store ({FORMS})")


def _cassandra(url: str, settings: Cassandra) -> JobStore:
    with told_as("store.jobs"), from_extra("cassandra", "cassandra", "Cassandra"):
        from infra.jobstore.cassandra import CassandraJobs
        from infra.jobstore.cassandra_place import place_of, tls
    tls(settings)  # made anew for each connection; what cannot be is to be known now
    return CassandraJobs(place_of(url), settings)
