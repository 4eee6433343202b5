"""One batch inside an engine, step by step. A fault that names no job is narrowed down by halving the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from engines import Engine, EngineBroken, EngineError, EngineFault, Failed, OutOfMemory, Poison, Request, StepReport, Unsupported


class BatchRun:
    """Call `step` until `over`; each request comes out once, finished or failed, unless it is cancelled."""

    def __init__(self, engine: Engine, requests: Sequence[Request], make_room: Callable[[], bool] = lambda: False) -> None:
        """`make_room`: lets others go that are on the device; whether there were any."""
        self._engine, self._make_room = engine, make_room
        self._waiting: list[list[Request]] = [list(requests)] if requests else []
        self._active: dict[str, Request] = {}
        self.squeezed: list[str] = []
        """Ids of the last requests that did not fit the device at once."""
        self.halved = False
        """Whether anything was begun again: it went on in parts, for one."""

    @property
    def over(self) -> bool:
        """Whether nothing is left to run."""
        return not self._active and not self._waiting

    def cancel(self, ids: Iterable[str]) -> list[str]:
        """Take requests out, between steps; returns those that were still here."""
        gone = [one for one in ids if self._take_out(one)]
        self._waiting = [group for group in self._waiting if group]
        return gone

    def stop(self) -> None:
        """Take everything out."""
        self._empty_engine()
        self._waiting.clear()

    def step(self) -> StepReport:
        """Let the next group in, or one step for those inside. Raises EngineBroken."""
        if not self._active:
            return self._admit(self._waiting.pop()) if self._waiting else StepReport()
        try:
            report = self._engine.step()
        except EngineBroken:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is narrowed down to one request
            return self._stumble(error)
        return self._accounted(report)

    @property
    def left(self) -> list[str]:
        """Ids that nothing was said of yet."""
        return [*self._active, *(request.id for group in self._waiting for request in group)]

    def _take_out(self, request_id: str) -> bool:
        if self._active.pop(request_id, None) is not None:
            self._engine.cancel(request_id)
            return True
        for group in self._waiting:
            for request in group:
                if request.id == request_id:
                    group.remove(request)
                    return True
        return False

    def _admit(self, group: list[Request]) -> StepReport:
        try:
            self._engine.admit(group)
        except EngineBroken:
            raise
        except Unsupported as error:
            return self._refuse(group, error)
        except Exception as error:  # noqa: BLE001 - the same
            return self._halve(group, error)
        self._active = {request.id: request for request in group}
        return StepReport()

    def _refuse(self, group: list[Request], error: Unsupported) -> StepReport:
        others = [request for request in group if request.id != error.request_id]
        if len(others) == len(group):
            return self._halve(group, error)
        self._wait(others)
        return StepReport(failed=[Failed(request_id=error.request_id, error=error)])

    def _stumble(self, error: Exception) -> StepReport:
        if isinstance(error, Poison) and self._take_out(error.request_id):
            return StepReport(failed=[Failed(request_id=error.request_id, error=error)])
        return self._halve(self._empty_engine(), error)

    def _halve(self, group: list[Request], error: Exception) -> StepReport:
        self.halved = True
        if isinstance(error, OutOfMemory):
            # A batch is run in halves first: a model that is let go has to be loaded again.
            if len(group) == 1 and self._make_room():
                self._wait(group)
                return StepReport()
            self.squeezed = [request.id for request in group]
        if len(group) == 1:
            return StepReport(failed=[Failed(request_id=group[0].id, error=_known(error))])
        middle = (len(group) + 1) // 2
        self._wait(group[middle:])
        self._wait(group[:middle])
        return StepReport()

    def _wait(self, group: list[Request]) -> None:
        if group:
            self._waiting.append(group)

    def _empty_engine(self) -> list[Request]:
        group = list(self._active.values())
        self._active.clear()
        for request in group:
            self._engine.cancel(request.id)
        return group

    def _accounted(self, report: StepReport) -> StepReport:
        for finished in report.finished:
            self._active.pop(finished.request_id, None)
        for failed in report.failed:
            self._active.pop(failed.request_id, None)
        if self._engine.active or not self._active:
            return report
        lost = [Failed(request_id=one, error=EngineFault("left the engine without a word")) for one in self._active]
        self._active.clear()
        return StepReport(
            progress=report.progress,
            finished=report.finished,
            failed=[*report.failed, *lost],
            rows=report.rows,
            step_s=report.step_s,
        )


def _known(error: Exception) -> EngineError:
    # Of what nobody foresaw only the kind is told: its text may quote the request.
    return error if isinstance(error, EngineError) else EngineFault(type(error).__name__)
