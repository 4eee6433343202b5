"""`python -m loadtest.fuzz`: spoilt events on `jobs` of a whole system; each must end as a result or a dead letter."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from loadtest.bench.system import running
from loadtest.crew.noop import catalog_of, write_catalog
from loadtest.fuzz.run import fuzz
from loadtest.fuzz.system import ANYTHING, lives


def main() -> int:
    """Run it; the exit status is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.fuzz", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="spoilt events (default %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of a run to be repeated")
    parser.add_argument("--patience", type=float, default=3600.0, help="seconds until a partition counts as stuck")
    args = parser.parse_args()
    seed = secrets.randbelow(2**31) if args.seed is None else args.seed
    sys.stderr.write(f"seed {seed}, {args.events} events\n")
    with tempfile.TemporaryDirectory(prefix="darkroom-fuzz-") as folder:
        catalog = write_catalog(Path(folder) / "models.toml", catalog_of(ANYTHING))
        with running(Path(folder) / "data", "--models", str(catalog)) as up:
            began, before = time.monotonic(), lives(up)
            verdict = asyncio.run(fuzz(up, seed=seed, count=args.events, patience_s=args.patience))
            if lives(up) != before:
                verdict.problems.append("a process died")
    print(json.dumps(msgspec.to_builtins(verdict) | {"seed": seed, "seconds": round(time.monotonic() - began, 1)}, indent=2))
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
