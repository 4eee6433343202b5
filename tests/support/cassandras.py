"""A Cassandra for tests, with a password and TLS, and one keyspace that they share."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from msgspec.structs import replace

from contracts.events import State
from contracts.work import Verdict
from infra.jobstore.cassandra_admin import migrate
from infra.local.cassandra import LocalCassandra
from infra.local.cassandra_config import Locks
from infra.local.cassandra_java import JavaUnavailable
from infra.local.errors import JarUnavailableError
from infra.settings import Cassandra
from streams.ports import Claim, Claimed, JobRow, JobStore, Move, Note, StoreUnavailable
from tests.support.certificates import server_files

SUPERUSER = "cassandra"
"""Name and password of the one user that a new Cassandra has."""

START_S = 60.0


@dataclass(frozen=True, kw_only=True)
class TestCassandra:
    """The node and how to use it."""

    __test__ = False

    node: LocalCassandra
    settings: Cassandra
    keyspace: str
    ca: trustme.CA

    @property
    def url(self) -> str:
        return self.node.url(self.keyspace)


def locks(folder: Path, ca: trustme.CA) -> Locks:
    """Files that let a node speak TLS and know its clients."""
    key_file, ca_file = server_files(folder, ca)
    return Locks(key=key_file, ca=ca_file)


@contextmanager
def started(folder: Path) -> Iterator[TestCassandra]:
    """A node with the newest schema. Skips where it cannot be fetched."""
    ca = trustme.CA()
    node = LocalCassandra(folder / "node", locks=locks(folder / "locks", ca))
    try:
        node.start()
    except (JavaUnavailable, JarUnavailableError) as error:
        pytest.skip(f"needs Cassandra: {error}")
    try:
        settings = Cassandra(user=SUPERUSER, password=SUPERUSER, timeout_s=20.0)
        one = TestCassandra(node=node, settings=settings, keyspace="tests", ca=ca)
        _migrate(one)
        yield one
    finally:
        node.stop()


def _migrate(one: TestCassandra) -> None:
    """The superuser is made a moment after the node is up."""
    until = time.monotonic() + START_S
    while True:
        try:
            return migrate(one.url, one.settings)
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


class OwnTenants:
    """A job store as if nobody else used it: tenants get a name of their own, and others' jobs are not seen."""

    def __init__(self, store: JobStore, suffix: str) -> None:
        self._store = store
        self._suffix = suffix

    def _own(self, tenant: str) -> str:
        return f"{tenant}{self._suffix}"

    def _shown(self, row: JobRow) -> JobRow:
        return replace(row, tenant=row.tenant.removesuffix(self._suffix))

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        return await self._store.claim([replace(one, tenant=self._own(one.tenant)) for one in claims])

    async def cancel(self, jobs: Sequence[tuple[str, str]], at: float) -> list[State | None]:
        return await self._store.cancel([(self._own(tenant), id) for tenant, id in jobs], at)

    async def move(self, moves: Sequence[Move]) -> list[Verdict]:
        return await self._store.move([replace(one, tenant=self._own(one.tenant)) for one in moves])

    async def reject(self, notes: Sequence[Note]) -> list[Verdict]:
        return await self._store.reject([replace(one, rejected=self._own(one.rejected)) for one in notes])

    async def get(self, tenant: str, id: str) -> JobRow | None:
        row = await self._store.get(self._own(tenant), id)
        return row and self._shown(row)

    async def recent(self, tenant: str | None, state: State | None, limit: int) -> list[JobRow]:
        if tenant is not None:
            return [self._shown(row) for row in await self._store.recent(self._own(tenant), state, limit)]
        rows = [row for row in await self._store.recent(None, state, 100_000) if row.tenant.endswith(self._suffix)]
        return [self._shown(row) for row in rows][:limit]

    async def close(self) -> None:
        await self._store.close()
