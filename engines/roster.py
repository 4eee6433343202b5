"""Who is in the engine: waiting for the next boundary, or seated in the running batch.

Bookkeeping only, shared by every engine. Costs are kept as running sums, so that a step does not touch each seat
more than once: the stand-in engine moves thousands of requests a second through here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from engines.base import Finished, Picture, Progress
from engines.errors import Incompatible
from engines.request import Request


@dataclass(slots=True)
class Seat:
    """One admitted request and how far it is."""

    request: Request
    total: int
    """Steps it will take."""
    rows: int
    """Rows it adds to a forward pass: pictures × guidance branches."""
    done: int = 0
    joined_s: float = 0.0
    paid_s: float = 0.0
    """What a row had paid, summed over all steps of this engine, when this one joined."""
    peers: int = 0
    """Most requests seated together with it."""


class Roster:
    """Seats by request id, in the order they joined."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: dict[str, Seat] = {}
        self._seated: dict[str, Seat] = {}
        self._row_s = 0.0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._seated)

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._seated or request_id in self._waiting

    @property
    def seated(self) -> Iterable[Seat]:
        """Seats in the running batch, oldest first."""
        return self._seated.values()

    @property
    def waiting(self) -> list[Seat]:
        """Those who join at the next boundary, in order."""
        return list(self._waiting.values())

    @property
    def size(self) -> int:
        """Requests seated."""
        return len(self._seated)

    @property
    def rows(self) -> int:
        """Rows seated."""
        return sum(seat.rows for seat in self._seated.values())

    def any_request(self) -> Request | None:
        """Some request that is here: what newcomers must be able to share a forward pass with."""
        for seats in (self._seated, self._waiting):
            for seat in seats.values():
                return seat.request
        return None

    def add(self, seats: Sequence[Seat]) -> None:
        """Let seats wait for the next boundary: all of them, or none if an id is here twice."""
        fresh = {seat.request.id: seat for seat in seats}
        if len(fresh) < len(seats) or any(key in self for key in fresh):
            raise Incompatible("id", "already admitted", self._doubled(seats))
        self._waiting.update(fresh)

    def _doubled(self, seats: Sequence[Seat]) -> str:
        seen: set[str] = set()
        for seat in seats:
            if seat.request.id in seen or seat.request.id in self:
                return seat.request.id
            seen.add(seat.request.id)
        return ""

    def join(self) -> list[Seat]:
        """Seat everyone who waits; returns the newcomers."""
        fresh = list(self._waiting.values())
        if not fresh:
            return fresh
        self._seated.update(self._waiting)
        self._waiting.clear()
        now = self._clock()
        for seat in fresh:
            seat.joined_s, seat.paid_s = now, self._row_s
        size = len(self._seated)
        for seat in self._seated.values():
            seat.peers = max(seat.peers, size)
        return fresh

    def leave(self, request_id: str) -> Seat | None:
        """Take one out, wherever it is."""
        return self._waiting.pop(request_id, None) or self._seated.pop(request_id, None)

    def advance(self) -> list[Progress]:
        """Everyone seated takes a step."""
        report = []
        for key, seat in self._seated.items():
            seat.done += 1
            report.append(Progress(key, seat.done, seat.total))
        return report

    def charge(self, step_s: float, rows: int) -> None:
        """Split a step's time over the rows that were in it. Call before anyone of them leaves."""
        if rows:
            self._row_s += step_s / rows

    def through(self) -> list[Seat]:
        """Seats that have taken all their steps."""
        return [seat for seat in self._seated.values() if seat.done >= seat.total]

    def finish(self, seat: Seat, images: list[Picture]) -> Finished:
        """Take a seat out with its pictures."""
        del self._seated[seat.request.id]
        request = seat.request
        return Finished(
            request_id=request.id,
            images=images,
            seeds=[request.seed] if request.count == 1 else [request.seed + i for i in range(request.count)],
            run_s=self._clock() - seat.joined_s,
            share_s=(self._row_s - seat.paid_s) * seat.rows,
            batch_size=seat.peers,
        )

    def clear(self) -> None:
        """Drop everyone."""
        self._waiting.clear()
        self._seated.clear()
