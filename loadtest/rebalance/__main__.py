"""`python -m loadtest.rebalance`: what it costs the others that workers join, leave and die.

Ends with status 1 if a batch ran twice though its worker lived. Takes about two and a half minutes. The report is a page
and JSON in `bench-output/`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from infra.local.kafka import LocalKafka
from infra.settings import Kafka
from loadtest.figures import write_report
from loadtest.rebalance.measure import costs
from loadtest.rebalance.report import page, report_of
from loadtest.rebalance.run import rebalances


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.rebalance", description=__doc__)
    parser.add_argument("--workers", type=int, default=3, help="before the first event (default %(default)s)")
    parser.add_argument("--batch-s", type=float, default=2.0, help="time of a batch in the engine (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="join, leave, join, kill (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("bench-output"), help="folder of the report (default %(default)s)")
    parser.add_argument("--keep", type=Path, help="folder for logs and stores, kept (default: a temporary one)")
    return parser.parse_args()


def main() -> int:
    """Run, report."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    args = _arguments()
    with tempfile.TemporaryDirectory(prefix="darkroom-rebalance-") as scratch:
        folder = (args.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with LocalKafka(folder / "kafka") as kafka:
            history = asyncio.run(
                rebalances(folder, kafka.bootstrap, workers=args.workers, batch_s=args.batch_s, rounds=args.rounds)
            )
    found = costs(history)
    report = report_of(
        f"python -m loadtest.rebalance --workers {args.workers} --batch-s {args.batch_s:g} --rounds {args.rounds}",
        workers=args.workers,
        batch_s=args.batch_s,
        session_s=Kafka().session_timeout_s,
        costs=found,
    )
    write_report(report, page(report), args.out, "rebalance")
    print(page(report))
    return 0 if found.kept else 1


if __name__ == "__main__":
    sys.exit(main())
