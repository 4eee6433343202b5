"""A GPU worker in simulated time: one batch runs, one is ready, and it reports at every change and every second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from contracts.work import Ran, Resolved, Squeezed, WorkerReport
from loadtest.simulate.clock import Clock
from loadtest.simulate.device import ENDLESS, Device, Parts, in_parts
from loadtest.simulate.truth import Model, row_steps
from streams.policy.cost import Work, work_of
from streams.policy.waiting import Formed

EVERY_S = 1.0
"""Between reports when nothing changes."""

SLOTS = 2
"""Batches that a worker takes at once: one running, one ready, as in infra/settings.py."""


class Around(Protocol):
    """What a worker needs of the simulation."""

    clock: Clock
    models: dict[str, Model]

    def told(self, report: WorkerReport) -> None:
        """A report leaves the worker."""
        ...

    def finished(self, formed: Formed, place: int) -> None:
        """One job's outcome leaves the worker."""
        ...

    def failed(self, formed: Formed, place: int) -> None:
        """One job did not fit the device even alone."""
        ...

    def slower(self, formed: Formed) -> float:
        """How many times longer than the truth's table this batch takes."""
        ...


class SimulatedWorker:
    """Owns the partition of its own number."""

    def __init__(
        self, around: Around, number: int, *, loaded: Sequence[str], holds: int, slots: int = SLOTS, device: Device = ENDLESS
    ) -> None:
        self.number = number
        self.ooms = 0
        self._device = device
        self._squeezed: dict[str, tuple[float, float]] = {}
        self.busy_s = self.load_s = 0.0
        self.asked = self.padded = 0
        """Row-steps that jobs needed, and with the engine's padding."""
        self.batches: list[tuple[float, int]] = []
        """Start and size of each."""
        self._around = around
        self._loaded = list(loaded)
        self._holds = holds
        self._slots = slots
        self._queue: deque[Formed] = deque()
        self._running: Formed | None = None
        self._position = 0
        self._life = 0
        self._ran: list[Ran] = []

    def start(self) -> None:
        """Begin to report."""
        self._life += 1
        self._beat(self._life)

    def die(self) -> None:
        """Fall silent in the middle of whatever it does; what lies in its partition stays there."""
        self._life += 1
        if self._running is not None:
            self._queue.appendleft(self._running)
        self._running, self._loaded, self._life = None, [], -self._life

    def back(self) -> None:
        """A new process in the same place: it takes up the partition where the dead one left it."""
        self._life = -self._life
        self.start()
        self._next()

    def take(self, formed: Formed) -> None:
        """A batch arrived in the partition."""
        self._queue.append(formed)
        self._next()

    def _next(self) -> None:
        if self._life < 0 or self._running is not None or not self._queue:
            return
        formed = self._running = self._queue.popleft()
        clock, model = self._around.clock, self._around.models[formed.jobs[0].head.model]
        load_s = self._load(model)
        jobs = [job.head.resolved for job in formed.jobs]
        slower = self._around.slower(formed)
        parts = in_parts(model, jobs, self._device.whole)
        ends = [end * slower for end in parts.ends]
        self._squeeze(formed, parts)
        self._account(jobs, max(ends), load_s)
        for place, end in enumerate(ends):
            told = self._around.failed if place in parts.failed else self._around.finished
            clock.after(load_s + end, self._while_alive(partial(told, formed, place)))
        run = None if parts.ooms else _ran(formed, model, max(ends), load_s, self._device)
        clock.after(load_s + max(ends), self._while_alive(lambda: self._end(run)))
        self.report()

    def _squeeze(self, formed: Formed, parts: Parts) -> None:
        self.ooms += parts.ooms
        if parts.squeezed:
            key, weight = formed.jobs[0].head.batch_key, sum(formed.jobs[place].weight for place in parts.squeezed)
            self._squeezed[key] = weight, self._around.clock.now

    def _while_alive(self, then: Callable[[], None]) -> Callable[[], None]:
        life = self._life

        def event() -> None:
            if self._life == life:
                then()

        return event

    def _load(self, model: Model) -> float:
        """Make the model the one used last; if memory is full, all others go, as in a real worker."""
        ref, load_s = model.spec.ref, 0.0
        if ref in self._loaded:
            self._loaded.remove(ref)
        else:
            load_s = model.load_s
            if len(self._loaded) >= self._holds:
                self._loaded.clear()
        self._loaded.insert(0, ref)
        return load_s

    def _account(self, jobs: Sequence[Resolved], run_s: float, load_s: float) -> None:
        asked, padded = row_steps(jobs)
        self.asked, self.padded = self.asked + asked, self.padded + padded
        self.busy_s, self.load_s = self.busy_s + run_s, self.load_s + load_s
        self.batches.append((self._around.clock.now, len(jobs)))

    def _end(self, run: Ran | None) -> None:
        self._running = None
        self._position += 1
        self._ran += [run] if run else []
        self.report()
        self._next()

    def _beat(self, life: int) -> None:
        if life == self._life:
            self.report()
            self._around.clock.after(EVERY_S, lambda: self._beat(life))

    def report(self) -> None:
        """Say how far it is."""
        others = [ref for ref in self._around.models if ref not in self._loaded]
        ran, self._ran = self._ran, []
        now, models = self._around.clock.now, self._around.models
        self._around.told(
            WorkerReport(
                worker=f"worker-{self.number}.{self._life}",
                pool="default",
                at=self._around.clock.now,
                generation=self._life,
                positions={self.number: self._position},
                models=self._loaded + others,
                held=list(self._loaded),
                slots=self._slots,
                device=self._device.name,
                ran=ran,
                squeezed={key: Squeezed(weight=weight, ago_s=now - at) for key, (weight, at) in self._squeezed.items()},
                memory_bytes=self._device.whole if self._device.tells else None,
                held_bytes=sum(models[ref].weights for ref in self._loaded),
            )
        )


def _ran(formed: Formed, model: Model, seconds: float, load_s: float, device: Device) -> Ran:
    work: Work | None = None
    for job in formed.jobs:
        one = work_of(job.head.resolved)
        work = one if work is None else work.plus(one)
    if work is None:
        raise ValueError("an empty batch")
    return Ran(
        key=formed.jobs[0].head.batch_key,
        model=model.spec.ref,
        engine=model.spec.engine,
        device=device.name,
        pixels=work.pixels,
        rows=work.rows,
        steps=work.steps,
        row_steps=work.row_steps,
        seconds=seconds,
        load_s=load_s,
        memory_bytes=model.memory([job.head.resolved for job in formed.jobs]) if device.tells else None,
        model_bytes=model.weights if device.tells else None,
    )
