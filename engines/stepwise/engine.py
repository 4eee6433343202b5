"""The engine around any backend: who joins, one forward pass, who leaves.

State changes only once a forward pass is through, so a step that raises OutOfMemory can be repeated with fewer
requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from engines import samplers
from engines.base import EngineInfo, Failed, Finished, Memory, Picture, Shape, StepReport
from engines.errors import Incompatible, Unsupported
from engines.request import Request
from engines.roster import Roster, Seat
from engines.samplers import Table
from engines.stepwise import limits as bounds
from engines.stepwise.advance import advance
from engines.stepwise.backend import Backend
from engines.stepwise.develop import develop
from engines.stepwise.guard import guarded
from engines.stepwise.prepare import Prepare, branches
from engines.stepwise.running import Running, Start, poisoned
from engines.stepwise.texts import Texts
from engines.stepwise.warm import warm_up


@dataclass(frozen=True, kw_only=True, slots=True)
class StepwiseOptions:
    """Settings of the step-wise engine, whatever the backend."""

    buckets: tuple[int, ...] = ()
    """Row counts a forward pass is padded up to; none where the backend takes any count equally well."""
    texts: int = 64
    """Prompts whose embeddings are kept."""


class StepwiseEngine:
    """Implements engines.base.Engine over a Backend."""

    def __init__(
        self,
        backend: Backend,
        info: EngineInfo,
        scheduler: Mapping[str, Any],
        limits: bounds.Limits | None = None,
        options: StepwiseOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options = options or StepwiseOptions()
        self.name = info.engine
        self.info = info
        self._backend = backend
        self._limits = limits or bounds.Limits()
        self._clock = clock
        self._roster = Roster(clock)
        self._prepare = Prepare(backend, Texts(backend.encode_text, options.texts), self._limits)
        self._running = Running(backend, options.buckets)
        self._refused: list[Failed] = []
        self._table = lru_cache(maxsize=256)(partial(_table, scheduler))

    @property
    def active(self) -> int:
        return len(self._roster)

    def check(self, request: Request) -> None:
        bounds.check(self._limits, request)
        self._table_of(request)

    def batch_key(self, request: Request) -> str:
        info = self.info
        size = f"{request.width}x{request.height}/{request.frames}"
        return f"{info.engine}/{info.model}/{info.version}/{info.precision}/{request.task}/{size}"

    def admit(self, requests: Sequence[Request]) -> None:
        if not requests:
            return
        shared = self.batch_key(self._roster.any_request() or requests[0])
        for request in requests:
            self.check(request)
            if self.batch_key(request) != shared:
                raise Incompatible("batch_key", "shares no forward pass with what runs now", request.id)
        self._roster.add([self._seat(request) for request in requests])

    def step(self) -> StepReport:
        start = self._clock()
        self._join()
        batch = self._running.batch
        if batch is None:
            return StepReport(failed=self._leave([]), step_s=self._clock() - start)
        batch.x, batch.before = guarded(partial(advance, self._backend, batch))
        progress = self._roster.advance()
        failed = poisoned(self._backend, batch)
        through = {seat.request.id for seat in self._roster.through()} - {failure.request_id for failure in failed}
        images, spoilt = develop(self._backend, batch, through)
        step_s = self._clock() - start
        self._roster.charge(step_s, batch.rows)
        failed = self._leave([*failed, *spoilt])
        finished = self._finish(images)
        return StepReport(progress=progress, finished=finished, failed=failed, rows=batch.rows, step_s=step_s)

    def cancel(self, request_id: str) -> bool:
        left = self._roster.leave(request_id) is not None
        self._running.keep(self._roster)
        return left

    def memory(self) -> Memory | None:
        return self._backend.memory()

    def warm_up(self, shapes: Sequence[Shape]) -> None:
        warm_up(self, shapes)

    def close(self) -> None:
        self._roster.clear()
        self._running.keep(())
        self._backend.close()

    def _table_of(self, request: Request) -> Table:
        start = samplers.start_step(request.steps, request.strength) if request.image is not None else 0
        try:
            return self._table(request.steps, request.sampler, start)
        except Unsupported as error:
            raise Unsupported(error.field, error.message, request.id) from None

    def _seat(self, request: Request) -> Seat:
        return Seat(request, len(self._table_of(request)), request.count * branches(request))

    def _join(self) -> None:
        """Seat those who wait. Encoding comes first: if it runs out of memory, nothing has moved."""
        waiting = self._roster.waiting
        if not waiting:
            return
        tables = [self._table_of(seat.request) for seat in waiting]
        members = guarded(lambda: self._prepare.members(waiting, tables))
        starts: list[Start] = []
        refused: list[Failed] = []
        for member in members:
            try:
                starts.append((member, guarded(partial(self._prepare.latents, member))))
            except Unsupported as error:
                refused.append(Failed(request_id=member.seat.request.id, error=error))
        self._roster.join()
        self._running.enlarge(starts)
        for failure in refused:
            self._roster.leave(failure.request_id)
        self._refused += refused

    def _leave(self, failed: Sequence[Failed]) -> list[Failed]:
        """Take the failed out. Those whose image could not be read left already: the first report says so."""
        failed, self._refused = [*self._refused, *failed], []
        for failure in failed:
            self._roster.leave(failure.request_id)
        self._running.keep(self._roster)
        return failed

    def _finish(self, images: Mapping[str, list[Picture]]) -> list[Finished]:
        finished = [self._roster.finish(seat, images[seat.request.id]) for seat in self._roster.through()]
        self._running.keep(self._roster)
        return finished


def _table(scheduler: Mapping[str, Any], steps: int, sampler: str | None, start: int) -> Table:
    return samplers.table(scheduler, steps, sampler=sampler, start=start)
