"""Every statement of the job store in Cassandra. The tables are in infra/schema."""

from __future__ import annotations

from dataclasses import dataclass

from cassandra import ConsistencyLevel

from infra.jobstore.rules import Row

_COLUMNS = ", ".join(Row._fields)
_MARKS = ", ".join("?" for _ in Row._fields)
_CHANGED = Row._fields[2:]
_AT = "WHERE tenant = ? AND id = ?"


@dataclass(frozen=True, slots=True)
class Statement:
    """Prepared once per connection."""

    cql: str
    consistency: int | None = None
    """Other than QUORUM."""


LOAD = Statement(f"SELECT {_COLUMNS} FROM jobs {_AT}")  # noqa: S608 - column names
LOAD_SETTLED = Statement(LOAD.cql, ConsistencyLevel.SERIAL)
"""Completes or rules out a conditional write whose outcome nobody knows, then reads."""

TAKE = Statement(f"INSERT INTO jobs ({_COLUMNS}) VALUES ({_MARKS}) IF NOT EXISTS")  # noqa: S608
# State and attempt together name a version of the row: each move changes them, and none leads back. All columns are
# written again so that the row expires as a whole.
SWAP = Statement(f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in _CHANGED)} {_AT} IF state = ? AND attempt = ?")  # noqa: S608

NOTE_CANCEL = Statement("INSERT INTO cancels (tenant, id, at) VALUES (?, ?, ?)")
CANCELLED = Statement(f"SELECT id FROM cancels {_AT}")  # noqa: S608
REJECT = Statement("INSERT INTO rejections (rejected, source, at) VALUES (?, ?, ?) IF NOT EXISTS")

ENTER_TENANT = Statement("INSERT INTO tenant_months (tenant, month) VALUES (?, ?)")
ENTER_MONTH = Statement("INSERT INTO jobs_by_month (tenant, month, submitted_at, id) VALUES (?, ?, ?, ?)")
ENTER_STATE = Statement("INSERT INTO jobs_by_state (tenant, state, month, submitted_at, id) VALUES (?, ?, ?, ?, ?)")
LEAVE_STATE = Statement(
    "DELETE FROM jobs_by_state USING TIMESTAMP ? WHERE tenant = ? AND state = ? AND month = ? AND submitted_at = ? AND id = ?"
)

MONTHS = Statement("SELECT tenant, month FROM tenant_months WHERE tenant = ?")
ALL_MONTHS = Statement("SELECT tenant, month FROM tenant_months LIMIT 100000")
PAGE = Statement(
    "SELECT submitted_at, id FROM jobs_by_month WHERE tenant = ? AND month = ? AND (submitted_at, id) < (?, ?) LIMIT ?"
)
PAGE_IN_STATE = Statement(
    "SELECT submitted_at, id FROM jobs_by_state"
    " WHERE tenant = ? AND state = ? AND month = ? AND (submitted_at, id) < (?, ?) LIMIT ?"
)

ALL = tuple(one for one in tuple(globals().values()) if isinstance(one, Statement))
