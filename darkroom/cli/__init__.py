"""The command `darkroom`: one verb a file."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its status."""
    from darkroom.cli.root import run

    sys.exit(run(sys.argv[1:]))
