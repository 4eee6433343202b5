"""Jobs of a tenant, newest first: entries by month tell where to look, `jobs` tells what is so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import chain

from contracts.events import State
from infra.jobstore import cassandra_statements as cql
from infra.jobstore.cassandra_link import Link, together
from infra.jobstore.rules import Row

PAGE = 200
"""Entries read at once; each costs a read of its job."""

Place = tuple[float, str]
_BEYOND: Place = (float("inf"), "")


def month_of(at: float) -> int:
    """202611 for a moment of November 2026 (UTC)."""
    when = datetime.fromtimestamp(at, UTC)
    return when.year * 100 + when.month


class Listing:
    """Reads listings. An entry whose job is gone or in another state by now is passed over."""

    def __init__(self, link: Link, load: Callable[[tuple[str, str]], Awaitable[Row | None]]) -> None:
        self._link = link
        self._load = load

    async def recent(self, tenant: str | None, state: State | None, limit: int) -> list[Row]:
        """The newest `limit` jobs by time of submission, then id."""
        found: list[Row] = []
        for month, tenants in (await self._months(tenant)).items():
            wanted = limit - len(found)
            parts = await together(*(self._of(one, month, state, wanted) for one in tenants))
            found += sorted(chain(*parts), key=_place, reverse=True)[:wanted]
            if len(found) >= limit:
                break
        return found

    async def _months(self, tenant: str | None) -> dict[int, list[str]]:
        """Who has jobs in which month, newest first."""
        asked = (cql.ALL_MONTHS, ()) if tenant is None else (cql.MONTHS, (tenant,))
        months: dict[int, list[str]] = {}
        for row in sorted(await self._link.ask(*asked), key=lambda row: -row["month"]):
            months.setdefault(row["month"], []).append(row["tenant"])
        return months

    async def _of(self, tenant: str, month: int, state: State | None, limit: int) -> list[Row]:
        found: list[Row] = []
        size, after = min(limit, PAGE), _BEYOND
        while len(found) < limit:
            entries = await self._page(tenant, month, state, after, size)
            rows = await together(*(self._load((tenant, id)) for _, id in entries))
            found += [row for entry, row in zip(entries, rows, strict=True) if row and _holds(row, entry, state)]
            if len(entries) < size:
                break
            after = entries[-1]
        return found[:limit]

    async def _page(self, tenant: str, month: int, state: State | None, after: Place, size: int) -> list[Place]:
        if state is None:
            rows = await self._link.ask(cql.PAGE, (tenant, month, *after, size))
        else:
            rows = await self._link.ask(cql.PAGE_IN_STATE, (tenant, state, month, *after, size))
        return [(row["submitted_at"], row["id"]) for row in rows]


def _place(row: Row) -> Place:
    return row.submitted_at, row.id


def _holds(row: Row, entry: Place, state: State | None) -> bool:
    return _place(row) == entry and state in (None, row.state)
