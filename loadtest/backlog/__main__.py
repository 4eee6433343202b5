"""`python -m loadtest.backlog`: what a million jobs of one tenant do to memory, to the others, and to a scheduler's successor.

With `--limit` they come through admission, which parks them; without, straight to their queue. Ends with status 1 if another
tenant's 99th percentile grew by more than half, or a job was dispatched twice. `JOBS=1000000` sets how many. The report is a
page and JSON in `bench-output/`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from infra.local.kafka import LocalKafka
from loadtest.backlog.report import page, report_of
from loadtest.backlog.run import Plan, backlog
from loadtest.figures import write_report


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.backlog", description=__doc__)
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("JOBS", "1000000")), help="(default: JOBS, or 1,000,000)")
    parser.add_argument("--rate", type=float, default=30.0, help="jobs/s of the other tenants (default %(default)s)")
    parser.add_argument("--pour", type=float, default=4000.0, help="jobs/s of the million (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each stretch (default %(default)s)")
    parser.add_argument("--batch-s", type=float, default=0.2, help="time of a batch in the engine (default %(default)s)")
    parser.add_argument("--cap", type=int, default=8, help="jobs in a batch (default %(default)s)")
    parser.add_argument("--limit", type=float, default=0.0, help="jobs/s that the greedy tenant may have (default: no limit)")
    parser.add_argument("--out", type=Path, default=Path("bench-output"), help="folder of the report (default %(default)s)")
    parser.add_argument("--keep", type=Path, help="folder for logs and stores, kept (default: a temporary one)")
    return parser.parse_args()


def main() -> int:
    """Run, report."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    args = _arguments()
    names = ("jobs", "rate", "pour", "seconds", "batch_s", "cap", "limit")
    plan = Plan(**{name: getattr(args, name) for name in names})
    with tempfile.TemporaryDirectory(prefix="darkroom-backlog-") as scratch:
        folder = (args.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with LocalKafka(folder / "kafka") as kafka:
            story = asyncio.run(backlog(folder, kafka, plan, partial(print, flush=True)))
    asked = f"--jobs {plan.jobs} --rate {plan.rate:g} --pour {plan.pour:g} --seconds {plan.seconds:g}"
    command = f"python -m loadtest.backlog {asked} --batch-s {plan.batch_s:g} --cap {plan.cap} --limit {plan.limit:g}"
    report = report_of(command, plan, story)
    write_report(report, page(report), args.out, "backlog")
    print(page(report))
    return 0 if report.kept else 1


if __name__ == "__main__":
    sys.exit(main())
