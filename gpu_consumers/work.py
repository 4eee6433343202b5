"""The engine thread: runs orders one after the other and reports on them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from contracts.errors import ErrorCode
from contracts.events import Inputs
from engines import Engine, EngineBroken, EngineError, EngineFault, Failed, Progress, Request, Shape, StepReport, Unsupported
from gpu_consumers import encode
from gpu_consumers.bare import print_bare
from gpu_consumers.frames import Made, Outgrown, Run, Started, Stepped, Task, Through, Told, Unmade, Warm, Warmed, pack
from gpu_consumers.inbox import Inbox
from gpu_consumers.leak import LeakGuard
from gpu_consumers.run import BatchRun
from gpu_consumers.shelf import Shelf
from gpu_consumers.stopwatch import Stopwatch
from gpu_consumers.tell import Send, Teller

INPUTS = frozenset(Inputs.__struct_fields__)
UNREADABLE: ErrorCode = "image_unavailable"
TICK_S = 0.2
"""Progress is told this often at most (seconds): people cannot follow more, and it is the sign of life."""


class Runner:
    """Runs orders in engines and reports."""

    def __init__(self, inbox: Inbox, shelf: Shelf, teller: Teller, send: Send, guard: LeakGuard) -> None:
        self._inbox = inbox
        self._shelf = shelf
        self._teller = teller
        self._send = send
        self._guard = guard
        self._ticked = 0.0

    def serve(self) -> None:
        """Run what comes, until an engine breaks or the process has grown too large."""
        while not (resident_mb := self._guard.outgrown(self._shelf.models)):
            self._do(self._inbox.next())
        self._send(pack(Outgrown(resident_mb=resident_mb)))

    def _do(self, order: Run | Warm) -> None:
        if isinstance(order, Warm):
            self._warm(order.like)
            return
        try:
            self._run(order)
        finally:
            self._inbox.forget(order.run)

    def _warm(self, like: Run) -> None:
        memory = None
        try:
            engine = self._shelf.take(like)
            memory = engine.memory()
            engine.warm_up([Shape(task.width, task.height, 1, task.frames) for task in like.tasks[:1]])
        except EngineBroken:
            raise
        except Exception as error:  # noqa: BLE001 - a run that needs the model will tell
            print_bare(type(error), error, error.__traceback__)
            self._shelf.clear()
        self._send(pack(Warmed(loaded=self._shelf.models, memory=memory if self._shelf.models else None)))

    def _run(self, order: Run) -> None:
        places = self._fit_to_start(order, range(len(order.tasks)))
        if not places:
            self._say(order, [], over=True)
            return
        try:
            engine = self._shelf.take(order)
        except Exception as error:  # noqa: BLE001 - drivers and model files fail in ways nobody lists
            self._refuse(order, places, error)
            return
        # Loading may have taken minutes: what may start is looked at again.
        self._step_through(order, self._fit_to_start(order, places), engine)

    def _fit_to_start(self, order: Run, places: range | list[int]) -> list[int]:
        now, dropped = time.time(), self._inbox.dropped(order.run)
        if self._inbox.aborted(order.run):
            return []
        late = {p for p in places if _passed(order.tasks[p].deadline, now)} - dropped
        gone = [Unmade(place=p, state="expired", code="expired", message="the deadline passed") for p in sorted(late)]
        gone += [_cancelled(p) for p in sorted(dropped.intersection(places))]
        self._say(order, gone)
        return [p for p in places if p not in late and p not in dropped]

    def _refuse(self, order: Run, places: list[int], error: Exception) -> None:
        # The model could not be loaded: another worker, or this one later, may have more luck.
        known = error if isinstance(error, EngineError) else EngineFault(type(error).__name__)
        print_bare(type(error), error, error.__traceback__)
        message = f"the model could not be loaded ({known})"
        self._say(order, [_failed(p, known.code, message, retryable=True) for p in places], over=True)

    def _step_through(self, order: Run, places: list[int], engine: Engine) -> None:
        batch = BatchRun(engine, [request_of(p, order.tasks[p]) for p in places], partial(self._shelf.keep_only, order.model))
        watch = Stopwatch(engine, self._shelf.taken, places)
        self._send(pack(Started(run=order.run, at=time.time(), places=places, loaded=self._shelf.models, memory=watch.memory)))
        try:
            self._steps(order, batch, watch)
        except EngineBroken as error:
            left = [_lost(int(one), error) for one in batch.left]
            self._say(order, left, over=True)
            self._teller.flush()
            raise

    def _steps(self, order: Run, batch: BatchRun, watch: Stopwatch) -> None:
        over = False
        while not over:
            obeyed = self._obey(order, batch)
            report = watch.step(batch.step)
            over, squeezed = batch.over, _taken(batch)
            watch.spoil(spoilt=bool(obeyed or report.failed or squeezed or batch.halved))
            if over:
                self._send(pack(Through(run=order.run, timed=watch.read())))
            self._tick(order, report.progress)
            self._tell(order, report, squeezed, over=over)

    def _obey(self, order: Run, batch: BatchRun) -> bool:
        """Whether that took a job out."""
        if self._inbox.aborted(order.run):
            batch.stop()
            return True
        dropped = self._inbox.dropped(order.run)
        gone = batch.cancel(map(str, sorted(dropped))) if dropped else []
        self._say(order, [_cancelled(int(one)) for one in gone])
        return bool(gone)

    def _tick(self, order: Run, progress: Sequence[Progress]) -> None:
        now = time.monotonic()
        if progress and now - self._ticked >= TICK_S:
            self._ticked = now
            steps = [(int(one.request_id), one.done, one.total) for one in progress]
            self._send(pack(Stepped(run=order.run, steps=steps)))

    def _tell(self, order: Run, report: StepReport, squeezed: list[int], *, over: bool) -> None:
        if report.finished or report.failed or squeezed or over:
            self._teller.tell(lambda: pack(_told(order, report, squeezed, over=over)))

    def _say(self, order: Run, unmade: list[Unmade], *, over: bool = False) -> None:
        if unmade or over:
            self._teller.tell(lambda: pack(Told(run=order.run, made=[], unmade=unmade, over=over)))


def _passed(deadline: float | None, now: float) -> bool:
    return deadline is not None and now > deadline


def _cancelled(place: int) -> Unmade:
    return Unmade(place=place, state="cancelled", code="cancelled", message="cancelled by its owner")


def _failed(place: int, code: ErrorCode, message: str, *, retryable: bool) -> Unmade:
    return Unmade(place=place, state="failed", code=code, message=message, retryable=retryable)


def _lost(place: int, error: EngineError) -> Unmade:
    return Unmade(place=place, state="failed", code=error.code, message="the engine broke down", retryable=True, lost=True)


def _taken(batch: BatchRun) -> list[int]:
    """What did not fit the device, told once."""
    squeezed, batch.squeezed = batch.squeezed, []
    return [int(one) for one in squeezed]


def request_of(place: int, task: Task) -> Request:
    """What the engine is asked."""
    return Request(
        id=str(place),
        task=task.task,
        prompt=task.prompt,
        negative_prompt=task.negative_prompt,
        width=task.width,
        height=task.height,
        steps=task.steps,
        guidance=task.guidance,
        seed=task.seed,
        count=task.count,
        frames=task.frames,
        fps=task.fps,
        image=task.image,
    )


def _told(order: Run, report: StepReport, squeezed: list[int], *, over: bool) -> Told:
    now = time.time()
    made, unmade = [], [_of_failed(failed) for failed in report.failed]
    for one in report.finished:
        place = int(one.request_id)
        try:
            files = encode.files(one, order.tasks[place])
        except EngineError as error:
            unmade.append(_failed(place, error.code, str(error), retryable=error.retryable))
        except Exception as error:  # noqa: BLE001 - one picture must not cost the batch
            print_bare(type(error), error, error.__traceback__)
            unmade.append(_failed(place, "internal", f"the files could not be made ({type(error).__name__})", retryable=True))
        else:
            made.append(Made(place=place, files=files, finished_at=now, run_s=one.run_s, gpu_s=one.share_s))
    return Told(run=order.run, made=made, unmade=unmade, over=over, squeezed=squeezed)


def _of_failed(failed: Failed) -> Unmade:
    error = failed.error
    code: ErrorCode = error.code
    message = str(error)
    if isinstance(error, Unsupported) and error.field in INPUTS:
        message = f"inputs.{message}"
        code = UNREADABLE if error.field == "image" else code
    return _failed(int(failed.request_id), code, message, retryable=error.retryable)
