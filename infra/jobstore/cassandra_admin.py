"""What an operator does to a Cassandra: bring its schema up to date, and look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from infra import schema
from infra.jobstore.cassandra_place import Place, kind, new_cluster, place_of, replication
from infra.jobstore.rules import KEEP_S
from infra.settings import BadSetting, Cassandra
from streams.ports import StoreUnavailable

TABLE_S = 60.0
"""Making a table takes a round through all nodes, and seconds on a busy one."""


def migrate(url: str, settings: Cassandra, say: Callable[[str], None] = lambda _text: None) -> None:
    """Make the keyspace that the URL names, or bring it up to date. `say` is told each change.

    Raises StoreUnavailable, and BadSetting for settings that cannot be.
    """
    place = place_of(url)
    copies = replication(settings)
    if settings.keep_days * 86_400 < KEEP_S:
        raise BadSetting("cassandra.keep_days: at least 8, a day longer than Kafka keeps events")
    with session_of(place, settings) as session:
        schema.migrate(session, place.keyspace, copies, settings, say)


def status(url: str, settings: Cassandra) -> schema.State:
    """What the keyspace is like. Raises as `migrate` does."""
    place = place_of(url)
    with session_of(place, settings) as session:
        return schema.status(session, place.keyspace)


@contextmanager
def session_of(place: Place, settings: Cassandra) -> Iterator[Any]:
    """A connection of its own, closed at the end. What goes wrong is `StoreUnavailable`."""
    try:
        cluster = new_cluster(place, replace(settings, timeout_s=max(settings.timeout_s, TABLE_S)))
        try:
            yield cluster.connect()
        finally:
            cluster.shutdown()
    except (BadSetting, schema.SchemaBusy):
        raise
    except Exception as error:
        raise StoreUnavailable(f"{place.name}: {kind(error)}") from error
