"""Predicts runs of every model, key and device class: from the table at first, from what workers measured as soon as they did."""

from __future__ import annotations

from collections import deque
from statistics import median

from contracts.catalog import Catalog, Cost
from contracts.work import LearnedCost, Ran
from streams.policy.cost import Checked, Estimate, Memory, Work, work_in
from streams.policy.cost_fit import Line
from streams.policy.cost_key import SEED_ERROR, KeyCost
from streams.policy.recall import Recall

KEYS = 4096
"""Batch keys remembered, twice as many at most: senders choose sizes, so there is no end of them."""

RECENT = 31
"""Runs of a model on a device class by which keys that never ran are scaled, and loads of it."""

VOTES = 2
"""Runs that the table counts as there: a first run that is wild moves nothing."""

SHORTEST_S, LONGEST_S = 1e-6, 1e6
"""What a run may be said to take (seconds; up to 11 days). The rest are mistakes."""

USUAL = 256
"""Runs of a model after which those before count half in which device is its usual one."""

UNKNOWN = Cost(base_s=1.0, per_row_step_s=0.01)
"""Of a model that left the catalogue."""


class CostModel:
    """Implements `streams.policy.cost.Costs`."""

    def __init__(self, catalog: Catalog) -> None:
        self._specs = {spec.ref: spec for spec in catalog.models}
        self._keys: Recall[tuple[str, str], KeyCost | None] = Recall(KEYS)
        self._memory: Recall[str, Memory | None] = Recall(KEYS)
        """By batch key, on the device class that told last: so others know what does not fit them before it has run there."""
        self._models: dict[tuple[str, str], _Model] = {}
        self._ran: dict[str, dict[str, float]] = {}
        """Model to device class to runs, of late."""
        self._usual: dict[str, str] = {}
        self._changed: dict[tuple[str, str], KeyCost] = {}

    def estimate(self, model: str, key: str, work: Work, device: str = "") -> Estimate:
        """See `Costs`."""
        device = device or self._usual.get(model, "")
        known = self._keys.get((device, key), None)
        if known is not None:
            return known.estimate(work)
        memory = self._memory.get(key, None)
        seconds = self._seed(model, work.pixels, device).seconds(work)
        return Estimate(seconds, SEED_ERROR, memory and memory.of(work.rows))

    def memory(self, model: str, key: str, device: str = "") -> Memory | None:
        """See `Costs`."""
        known = self._keys.get((device or self.usual(model), key), None)
        return known.memory if known is not None and known.memory is not None else self._memory.get(key, None)

    def measured(self, model: str, key: str, device: str = "") -> int:
        """Runs of the key that the prediction rests on; 0: only the table, and what is known of the model's other keys."""
        known = self._keys.get((device or self.usual(model), key), None)
        return known.judged if known else 0

    def load_s(self, model: str, device: str = "") -> float:
        """See `Costs`."""
        known = self._models.get((model, device or self.usual(model)))
        if known is not None and known.loads:
            return median(known.loads)
        spec = self._specs.get(model)
        return (spec.cost if spec else UNKNOWN).load_s

    def usual(self, model: str) -> str:
        """The device class that ran most of the model's runs lately; empty before the first."""
        return self._usual.get(model, "")

    def learn(self, run: Ran) -> Checked | None:
        """See `Costs`. What no clock can have measured is passed over."""
        if not _credible(run):
            return None
        known = self._keys.get((run.device, run.key), None)
        if known is None:
            known = KeyCost(run, self._seed(run.model, run.pixels, run.device))
        self._keys[run.device, run.key] = self._changed[run.device, run.key] = known
        self._count(run.model, run.device, 1)
        model = self._model(run.model, run.device)
        if run.load_s > 0 or run.cold:
            model.loads.extend(known.start(run))
            return None
        model.ratios.append(run.seconds / self._table(run.model, run.pixels).seconds(work_in(run)))
        checked = known.learn(run)
        self._note_memory(run.key, known)
        return checked

    def changed(self, *, all: bool) -> list[LearnedCost]:
        """What was learned and is to be written down: keys that know much more than before, or all that changed."""
        names = [name for name, known in self._changed.items() if all or known.due]
        return [self._changed.pop(name).learned() for name in names]

    def restore(self, learned: LearnedCost) -> None:
        """Take what another model learned, unless more is known here."""
        mine = self._keys.get((learned.device, learned.key), None)
        if mine is not None and mine.runs >= learned.runs:
            return
        known = KeyCost(learned, self._seed(learned.model, learned.pixels, learned.device))
        known.restore(learned)
        self._keys[learned.device, learned.key] = known
        self._note_memory(learned.key, known)
        self._count(learned.model, learned.device, learned.runs - (mine.runs if mine else 0))
        model, table = self._model(learned.model, learned.device), self._table(learned.model, learned.pixels)
        model.loads.extend(learned.loads)
        model.ratios.extend(run.seconds / table.seconds(work_in(run)) for run in learned.measured)

    def _note_memory(self, key: str, known: KeyCost) -> None:
        if known.memory is not None and self._memory.get(key, None) is not known.memory:
            self._memory[key] = known.memory

    def _table(self, model: str, pixels: int) -> Line:
        """As the catalogue has it."""
        spec = self._specs.get(model)
        if spec is None:
            return Line(UNKNOWN.base_s, 0.0, UNKNOWN.per_row_step_s)
        return Line(spec.cost.base_s, 0.0, spec.cost.per_row_step_s * pixels / (spec.width * spec.height))

    def _seed(self, model: str, pixels: int, device: str) -> Line:
        """The table's line, as much higher as the model's other keys are on this device."""
        known = self._models.get((model, device))
        line = self._table(model, pixels)
        return line.scaled(median([1.0] * VOTES + list(known.ratios))) if known else line

    def _model(self, model: str, device: str) -> _Model:
        return self._models.setdefault((model, device), _Model())

    def _count(self, model: str, device: str, runs: int) -> None:
        devices = self._ran.setdefault(model, {})
        devices[device] = devices.get(device, 0.0) + runs
        if sum(devices.values()) > 2 * USUAL:
            self._ran[model] = {name: count / 2 for name, count in devices.items()}
        self._usual[model] = max(devices, key=lambda one: (devices[one], one))


class _Model:
    """One model on one device class, whatever the key."""

    def __init__(self) -> None:
        self.ratios: deque[float] = deque(maxlen=RECENT)
        """Seconds measured over seconds by the table."""
        self.loads: deque[float] = deque(maxlen=RECENT)


def _credible(run: Ran) -> bool:
    """Written so that NaN, which compares false with everything, is refused too."""
    sizes = min(run.pixels, run.rows, run.steps) >= 1 and run.row_steps >= run.steps
    return sizes and SHORTEST_S <= run.seconds <= LONGEST_S and 0 <= run.load_s <= LONGEST_S
