"""A connection to Cassandra for asyncio: made when first needed, many requests in flight, one class of failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cassandra.cluster import Cluster, Session

from infra.jobstore.cassandra_place import Place, kind, new_cluster
from infra.jobstore.cassandra_statements import ALL, Statement
from infra.schema import SchemaMissing, check
from infra.settings import Cassandra
from streams.ports import StoreUnavailable

T = TypeVar("T")
Answer = list[dict[str, Any]]


class Unanswered(StoreUnavailable):
    """A request without an answer. If it was a write, nobody knows whether it took effect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Live:
    cluster: Cluster
    session: Session
    prepared: dict[Statement, Any]


class Link:
    """Sends prepared statements. The driver has a thread of its own; answers are handed over to the caller's loop."""

    def __init__(self, place: Place, settings: Cassandra) -> None:
        self._place = place
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.in_flight)
        self._connecting = asyncio.Lock()
        self._live: _Live | None = None

    async def ask(self, statement: Statement, values: Sequence[Any]) -> Answer:
        """The rows of the answer. Raises `Unanswered`, or `StoreUnavailable` where nothing can have happened."""
        async with self._slots:
            live = self._live or await self._connected()
            answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            hand = _Hand(answer)
            try:
                live.session.execute_async(live.prepared[statement], values).add_callbacks(hand.answered, hand.failed)
                return await answer
            except Exception as error:
                raise Unanswered(self._words(error)) from error

    async def close(self) -> None:
        """Let go of the connection."""
        async with self._connecting:
            live, self._live = self._live, None
            if live:
                await asyncio.to_thread(live.cluster.shutdown)

    async def _connected(self) -> _Live:
        async with self._connecting:
            if self._live is None:
                self._live = await asyncio.to_thread(self._connect)
            return self._live

    def _connect(self) -> _Live:
        cluster = new_cluster(self._place, self._settings)
        try:
            session = cluster.connect()
            session.default_fetch_size = None  # every statement has a limit of its own
            check(session, self._place.keyspace)
            session.set_keyspace(self._place.keyspace)
            return _Live(cluster=cluster, session=session, prepared={one: _prepare(session, one) for one in ALL})
        except SchemaMissing as error:
            cluster.shutdown()
            raise StoreUnavailable(f"{self._place.name}: {error}") from error
        except Exception as error:
            cluster.shutdown()
            raise StoreUnavailable(self._words(error)) from error
        except BaseException:
            cluster.shutdown()
            raise

    def _words(self, error: Exception) -> str:
        # The kind alone: texts of the server and the driver may quote values.
        return f"{self._place.name}: {kind(error)}"


class _Hand:
    """Carries one answer from the driver's thread into the loop, which may have stopped waiting for it."""

    def __init__(self, answer: asyncio.Future[Answer]) -> None:
        self._answer = answer
        self._loop = answer.get_loop()

    def answered(self, rows: Any) -> None:
        self._call(self._give, rows or [])

    def failed(self, error: Exception) -> None:
        self._call(self._refuse, error)

    def _call(self, settle: Any, value: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(settle, value)

    def _give(self, rows: Answer) -> None:
        if not self._answer.done():
            self._answer.set_result(rows)

    def _refuse(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)


async def together(*calls: Awaitable[T]) -> list[T]:
    """All of them at once. Raises the first failure, once none is under way any more."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for one in answers:
        if isinstance(one, BaseException):
            raise one
    return answers  # type: ignore[return-value]  # no exception is left in it


def _prepare(session: Session, statement: Statement) -> Any:
    prepared = session.prepare(statement.cql)
    if statement.consistency is not None:
        prepared.consistency_level = statement.consistency
    return prepared
