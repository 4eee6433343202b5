"""Starts a part with a bug planted in it: `python -m loadtest.storm.launch BUG MODULE args…`. Production knows nothing of it."""

from __future__ import annotations

import runpy
import sys

from loadtest.storm.bugs import BUGS


def main() -> None:
    """Plant the bug, then be the module."""
    bug, module = sys.argv[1:3]
    BUGS[bug].plant()
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
