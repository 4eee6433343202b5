"""`python -m loadtest.simulate`: every policy on every trace, against a bound."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from loadtest.figures import machine
from loadtest.simulate.contest import Task, run_task
from loadtest.simulate.measures import Measures
from loadtest.simulate.policies import POLICIES
from loadtest.simulate.report import Contest, Report, page, write_report
from loadtest.simulate.traces import TRACES
from loadtest.simulate.worker import SLOTS

SCALES = (1.0, 1.1, 1.2, 1.5)
"""Of the latency goals. The policies are told the longer goals, too: at each scale it is another run."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.simulate", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--traces", nargs="*", default=list(TRACES), choices=list(TRACES))
    parser.add_argument("--scales", nargs="*", type=float, default=SCALES, help="of the latency goals (1 is always one)")
    parser.add_argument("--slots", type=int, default=SLOTS, help="batches a worker takes at once (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("bench-output"), help="folder of the report (default %(default)s)")
    return parser.parse_args()


def _tasks(args: argparse.Namespace) -> Iterator[Task]:
    for trace in args.traces:
        for scale in sorted({1.0, *args.scales}):
            for policy in ("", *POLICIES):
                yield trace, args.seed, policy, scale, args.slots


def _contest(trace: str, seed: int, answers: Sequence[tuple[Task, Measures | float]]) -> Contest:
    scenario = TRACES[trace](seed)
    return Contest(
        trace=trace,
        about=scenario.about,
        jobs=len(scenario.items),
        workers=scenario.workers,
        bounds={task[3]: answer for task, answer in answers if isinstance(answer, float)},
        runs=[answer for _, answer in answers if isinstance(answer, Measures)],
    )


def main() -> None:
    """Run all, on all cores."""
    args = _arguments()
    tasks = list(_tasks(args))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        answers = list(zip(tasks, pool.map(run_task, tasks), strict=True))
    contests = [_contest(name, args.seed, [one for one in answers if one[0][0] == name]) for name in args.traces]
    command = " ".join(["python -m loadtest.simulate", *sys.argv[1:]])
    report = Report(command=command, machine=machine(), seed=args.seed, contests=contests)
    write_report(report, args.out)
    print("\n".join(page(report)))


if __name__ == "__main__":
    main()
