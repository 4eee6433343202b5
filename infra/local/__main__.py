"""`python -m infra.local`: one Kafka in the foreground, for developers."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from infra.local.errors import LocalKafkaError
from infra.local.kafka import LocalKafka
from infra.local.progress import download_progress

SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})


def main() -> None:
    """Run until Ctrl-C or SIGTERM; print the address on a line of its own once clients may connect."""
    options = _arguments()
    # Blocked, then waited for: a signal that comes while Kafka starts is not lost and stops it in order.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        with download_progress() as progress, LocalKafka(options.data, options.port, progress=progress) as kafka:
            print(kafka.bootstrap, flush=True)
            signal.sigwait(SIGNALS)
    except LocalKafkaError as error:
        sys.exit(str(error))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local.kafka", description="A Kafka on loopback, until Ctrl-C.")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps the records")
    parser.add_argument("--port", type=int, help="port for clients (default: any free one)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
