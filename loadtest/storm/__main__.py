"""`python -m loadtest.storm --seed 1`: one storm on a Kafka of its own; ends with status 1 if a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path
from typing import get_args

import msgspec

from loadtest.figures import write_report
from loadtest.storm.brokers import cluster
from loadtest.storm.bugs import BUGS, with_bug
from loadtest.storm.options import Options, Places
from loadtest.storm.page import name_of, page
from loadtest.storm.run import Place, storm


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.storm", description=__doc__)
    usual = Options()
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--jobs", type=int, default=usual.jobs, help="ids to send (default %(default)s)")
    parser.add_argument("--rate", type=float, default=usual.rate, help="ids a second (default %(default)s)")
    parser.add_argument("--partitions", type=int, default=usual.partitions, help="of jobs, status, results and outcomes")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=usual.brokers)
    parser.add_argument("--streams", type=int, default=usual.streams, help="processes (default %(default)s)")
    parser.add_argument("--settles", type=int, default=usual.settles, help="processes (default %(default)s)")
    parser.add_argument("--workers", type=int, default=usual.workers, help="processes (default %(default)s)")
    parser.add_argument("--batch-cap", type=int, default=usual.batch_cap, help="jobs in a batch at most (default %(default)s)")
    parser.add_argument("--window", type=int, default=usual.window, help="jobs of a tier that are held (default %(default)s)")
    parser.add_argument("--bug", choices=["", *BUGS], default="", help="plant one, to see it found")
    parser.add_argument("--stores", choices=get_args(Places), default=usual.stores, help="real: Cassandra, S3, Redis")
    parser.add_argument(
        "--fair", dest="fair_s", type=float, nargs=2, default=usual.fair_s, help="seconds between outages: least, most"
    )
    parser.add_argument("--out", type=Path, default=Path("bench-output"), help="folder of the report (default %(default)s)")
    parser.add_argument("--keep", type=Path, help="folder for logs and stores, kept (default: a temporary one)")
    return parser.parse_args()


def main() -> int:
    """Run one storm and tell of it."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    args = _arguments()
    chosen = {name: getattr(args, name) for name in Options.__struct_fields__ if hasattr(args, name)}
    options = with_bug(msgspec.convert(chosen, Options), args.bug)
    with tempfile.TemporaryDirectory(prefix="darkroom-storm-") as scratch:
        folder = (args.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with cluster(folder, options.brokers) as (bootstrap, brokers):
            report = asyncio.run(storm(options, Place(folder=folder, bootstrap=bootstrap, brokers=brokers)))
    write_report(report, page(report), args.out, name_of(report))
    print(page(report))
    return 0 if report.kept else 1


if __name__ == "__main__":
    sys.exit(main())
