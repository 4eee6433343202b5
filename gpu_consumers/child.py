"""The engine process: holds the loaded models, runs batches one after the other, encodes what they make.

Three threads: one reads orders, one runs the engine, one encodes and answers while the engine goes on. It ends at once
when its parent does: the pipe's end of file, and on Linux a signal as well, see to that.

Run as `python -m gpu_consumers.child FD`, FD being its end of a socket pair.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from types import TracebackType

from engines import Engine, EngineBroken, EngineError, Failed, OutOfMemory, Progress, Request, StepReport
from gpu_consumers import encode
from gpu_consumers.frames import (
    BROKEN,
    Abort,
    Drop,
    Hello,
    Made,
    Report,
    Run,
    Started,
    Stepped,
    Task,
    Told,
    Unmade,
    order_of,
    pack,
    receive,
)
from gpu_consumers.run import BatchRun, EngineFault

TICK_S = 0.2
"""Progress is told this often at most (seconds): people cannot follow more, and it is the sign of life."""
BACKLOG = 4
"""Groups that may wait to be encoded before the engine waits for them: pictures are large."""
PR_SET_PDEATHSIG = 1

Load = Callable[[str, str, dict[str, object]], Engine]
Send = Callable[[bytes], None]


class Inbox:
    """Orders as they come, read by one thread; cancels are seen by the engine thread between steps."""

    def __init__(self) -> None:
        self._runs: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._dropped: dict[int, set[int]] = {}
        self._aborted: set[int] = set()

    def put(self, order: Run | Drop | Abort) -> None:
        """Note an order."""
        if isinstance(order, Run):
            self._runs.put(order)
        elif isinstance(order, Drop):
            self._dropped.setdefault(order.run, set()).update(order.places)
        else:
            self._aborted.add(order.run)

    def next(self) -> Run:
        """Wait for the next run."""
        return self._runs.get()

    def aborted(self, run: int) -> bool:
        """Whether this run is to stop."""
        return run in self._aborted

    def dropped(self, run: int) -> set[int]:
        """Places cancelled since this was asked last."""
        return self._dropped.pop(run, set())

    def forget(self, run: int) -> None:
        """The run is over."""
        self._dropped.pop(run, None)
        self._aborted.discard(run)


class Shelf:
    """Loaded engines by model."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._engines: dict[str, Engine] = {}

    @property
    def models(self) -> list[str]:
        """Models held now, the one used last first."""
        return list(reversed(self._engines))

    def take(self, order: Run) -> Engine:
        """The engine of a run, loaded if it is not there. If the device is full, the others are let go first."""
        engine = self._engines.pop(order.model, None)
        if engine is None:
            engine = self._loaded(order)
        self._engines[order.model] = engine
        return engine

    def _loaded(self, order: Run) -> Engine:
        try:
            return self._load(order.engine, order.path, order.options)
        except OutOfMemory:
            if not self._engines:
                raise
        self.clear()
        return self._load(order.engine, order.path, order.options)

    def clear(self) -> None:
        """Free the device."""
        while self._engines:
            self._engines.popitem()[1].close()


class Teller:
    """Encodes finished jobs and tells of them, in order, in a thread of its own."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._groups: queue.Queue[Callable[[], bytes]] = queue.Queue(BACKLOG)

    def start(self) -> None:
        """Begin telling."""
        threading.Thread(target=self._work, name="encode", daemon=True).start()

    def tell(self, group: Callable[[], bytes]) -> None:
        """Queue what makes the next frame; waits while too much is waiting."""
        self._groups.put(group)

    def flush(self) -> None:
        """Wait until everything queued is sent."""
        self._groups.join()

    def _work(self) -> None:
        while True:
            group = self._groups.get()
            try:
                self._send(group())
            finally:
                self._groups.task_done()


class Runner:
    """Runs orders in engines and reports."""

    def __init__(self, inbox: Inbox, shelf: Shelf, teller: Teller, send: Send) -> None:
        self._inbox = inbox
        self._shelf = shelf
        self._teller = teller
        self._send = send
        self._ticked = 0.0

    def serve(self) -> None:
        """Run what comes, until an engine breaks."""
        while True:
            order = self._inbox.next()
            try:
                self._run(order)
            finally:
                self._inbox.forget(order.run)

    def _run(self, order: Run) -> None:
        places = self._fit_to_start(order, range(len(order.tasks)))
        if not places:
            self._say(order, [], over=True)
            return
        try:
            engine = self._shelf.take(order)
        except Exception as error:
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
        batch = BatchRun(engine, [request_of(p, order.tasks[p]) for p in places])
        self._send(pack(Started(run=order.run, at=time.time(), places=places, loaded=self._shelf.models)))
        try:
            self._steps(order, batch)
        except EngineBroken as error:
            left = [_failed(int(one), error.code, "the engine broke down", retryable=True) for one in batch.left]
            self._say(order, left, over=True)
            self._teller.flush()
            raise

    def _steps(self, order: Run, batch: BatchRun) -> None:
        over = False
        while not over:
            self._obey(order, batch)
            report = batch.step()
            over = batch.over
            self._tick(order, report.progress)
            self._tell(order, report, over=over)

    def _obey(self, order: Run, batch: BatchRun) -> None:
        if self._inbox.aborted(order.run):
            batch.stop()
            return
        dropped = self._inbox.dropped(order.run)
        if dropped:
            self._say(order, [_cancelled(int(one)) for one in batch.cancel(map(str, sorted(dropped)))])

    def _tick(self, order: Run, progress: Sequence[Progress]) -> None:
        now = time.monotonic()
        if progress and now - self._ticked >= TICK_S:
            self._ticked = now
            steps = [(int(one.request_id), one.done, one.total) for one in progress]
            self._send(pack(Stepped(run=order.run, steps=steps)))

    def _tell(self, order: Run, report: StepReport, *, over: bool = False) -> None:
        if report.finished or report.failed or over:
            self._teller.tell(lambda: pack(_told(order, report, over=over)))

    def _say(self, order: Run, unmade: list[Unmade], *, over: bool = False) -> None:
        if unmade or over:
            self._teller.tell(lambda: pack(Told(run=order.run, made=[], unmade=unmade, over=over)))


def _passed(deadline: float | None, now: float) -> bool:
    return deadline is not None and now > deadline


def _cancelled(place: int) -> Unmade:
    return Unmade(place=place, state="cancelled", code="cancelled", message="cancelled by its owner")


def _failed(place: int, code: str, message: str, *, retryable: bool) -> Unmade:
    return Unmade(place=place, state="failed", code=code, message=message, retryable=retryable)


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


def _told(order: Run, report: StepReport, *, over: bool) -> Told:
    now = time.time()
    made, unmade = [], [_of_failed(failed) for failed in report.failed]
    for one in report.finished:
        place = int(one.request_id)
        try:
            files = encode.files(one, order.tasks[place])
        except EngineError as error:
            unmade.append(_failed(place, error.code, str(error), retryable=error.retryable))
        except Exception as error:
            print_bare(type(error), error, error.__traceback__)
            unmade.append(_failed(place, "encode_failed", type(error).__name__, retryable=True))
        else:
            made.append(Made(place=place, files=files, finished_at=now, run_s=one.run_s, gpu_s=one.share_s))
    return Told(run=order.run, made=made, unmade=unmade, over=over)


def _of_failed(failed: Failed) -> Unmade:
    error = failed.error
    return _failed(int(failed.request_id), error.code, str(error), retryable=error.retryable)


def print_bare(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Kind and place of an exception on stderr; never its text, which may quote a prompt."""
    del error
    frames = traceback.extract_tb(trace)[-6:]
    where = " < ".join(f"{frame.name} {os.path.basename(frame.filename)}:{frame.lineno}" for frame in reversed(frames))
    print(f"engine process: {kind.__name__} at {where}", file=sys.stderr, flush=True)


def die_with_parent() -> None:
    """On Linux: be killed when the parent dies, even in the middle of a long computation that holds the interpreter."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _read(sock: socket.socket, inbox: Inbox) -> None:
    try:
        while (body := receive(sock)) is not None:
            inbox.put(order_of(body))
    finally:
        os._exit(0)  # the parent is gone: nobody could be told of anything any more


def sender(sock: socket.socket) -> Send:
    """A way to send whole frames from several threads."""
    lock = threading.Lock()

    def send(frame: bytes) -> None:
        with lock:
            sock.sendall(frame)

    return send


def main(fd: int) -> None:
    """Serve the parent at the other end of this socket."""
    sys.excepthook = print_bare
    # A terminal's Ctrl-C reaches the whole process group; when to stop is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    sock = socket.socket(fileno=fd)
    inbox, send = Inbox(), sender(sock)
    threading.Thread(target=_read, args=(sock, inbox), name="orders", daemon=True).start()
    from engines import registry

    teller = Teller(send)
    teller.start()
    send(pack(Hello(pid=os.getpid())))
    try:
        Runner(inbox, Shelf(registry.load), teller, send).serve()
    except EngineBroken as error:
        print_bare(type(error), error, error.__traceback__)
        os._exit(BROKEN)


if __name__ == "__main__":
    main(int(sys.argv[1]))
