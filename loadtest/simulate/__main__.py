"""`python -m loadtest.simulate`: every policy on every trace, between what can be had and what cannot."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from loadtest.figures import machine
from loadtest.simulate.contest import HINDSIGHT, REPLANNED, Task, run_task
from loadtest.simulate.measures import Measures
from loadtest.simulate.policies import POLICIES
from loadtest.simulate.report import Contest, Report, page, write_report
from loadtest.simulate.traces import TRACES
from loadtest.simulate.worker import SLOTS

SCALES = (1.0, 1.1, 1.2, 1.5)
"""Of the latency goals. The policies are told the longer goals, too: at each scale it is another run."""

SEEDS = (1, 2, 3)
"""The scheduler was made with an eye on these. Others say how it does where nobody looked."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.simulate", description=__doc__)
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS, help="the first is told in detail, at all scales")
    parser.add_argument("--traces", nargs="*", default=list(TRACES), choices=list(TRACES))
    parser.add_argument("--scales", nargs="*", type=float, default=SCALES, help="of the latency goals (1 is always one)")
    parser.add_argument("--all-scales", action="store_true", help="play every seed at all scales")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at once (default %(default)s)")
    parser.add_argument("--slots", type=int, default=SLOTS, help="batches a worker takes at once (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("bench-output"), help="folder of the report (default %(default)s)")
    return parser.parse_args()


def _tasks(args: argparse.Namespace) -> Iterator[Task]:
    for place, seed in enumerate(args.seeds):
        for trace in args.traces:
            for policy in ("", HINDSIGHT, REPLANNED):
                yield trace, seed, policy, 1.0, args.slots
            for scale in (1.0,) if place and not args.all_scales else sorted({1.0, *args.scales}):
                for policy in POLICIES:
                    yield trace, seed, policy, scale, args.slots


def _answers(tasks: Sequence[Task], processes: int) -> Iterator[tuple[Task, Measures | float]]:
    """In the order of the tasks; says on the terminal how far it is."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for number, answer in enumerate(pool.map(run_task, tasks), 1):
            trace, seed, policy, scale, _ = task = tasks[number - 1]
            print(f"{number} of {len(tasks)}: {trace}, seed {seed}, goals × {scale:g}, {policy or 'bound'}", file=sys.stderr)
            yield task, answer


def _contest(trace: str, seed: int, answers: Sequence[tuple[Task, Measures | float]]) -> Contest:
    scenario = TRACES[trace](seed)
    mine = [answer for task, answer in answers if task[:2] == (trace, seed)]
    runs = [answer for answer in mine if isinstance(answer, Measures)]
    return Contest(
        trace=trace,
        seed=seed,
        about=scenario.about,
        jobs=len(scenario.items),
        workers=scenario.workers,
        bound=next(answer for answer in mine if isinstance(answer, float)),
        hindsight=next(one.value for one in runs if one.policy == HINDSIGHT),
        replanned=next(one.value for one in runs if one.policy == REPLANNED),
        runs=[one for one in runs if one.policy in POLICIES],
    )


def main() -> None:
    """Run all, on all cores."""
    args = _arguments()
    answers = list(_answers(list(_tasks(args)), args.processes))
    first, *more = args.seeds
    contests = [_contest(name, first, answers) for name in args.traces]
    others = [_contest(name, seed, answers) for name in args.traces for seed in more]
    command = " ".join(["python -m loadtest.simulate", *sys.argv[1:]])
    report = Report(command=command, machine=machine(), contests=contests, others=others)
    write_report(report, args.out)
    print("\n".join(page(report)))


if __name__ == "__main__":
    main()
