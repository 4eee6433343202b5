"""Structured logs: one JSON object a line on stderr, with nothing in it that a job brought along.

The text of an exception may quote the data that caused it, so it is printed only for exceptions whose text is about
the system (the operating system's, Kafka's, ours). Of all others the type and the place are told, which is enough to
find the bug and never leaks a prompt.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

import msgspec

from infra.observe.calm import Calm

_encode = msgspec.json.Encoder(enc_hook=lambda value: f"<{type(value).__name__}>").encode
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_OURS = ("contracts", "darkroom", "streams", "gpu_consumers", "engines", "infra", "loadtest")
_SAFE = frozenset({*_OURS, "aiokafka"})


class JsonFormatter(logging.Formatter):
    """A record as `{"at", "level", "process", "logger", "event", …extra}`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """One line, no line break in it."""
        line: dict[str, Any] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _PLAIN}
        if record.exc_info and record.exc_info[1]:
            line["error"] = describe(record.exc_info[1])
        return _encode(line).decode()


def describe(error: BaseException) -> str:
    """An exception as type, text if it is safe to show, and the innermost frames."""
    kind = type(error)
    # Libraries derive from OSError too, with hosts and URLs in their texts.
    safe = (isinstance(error, OSError) and kind.__module__ == "builtins") or kind.__module__.split(".")[0] in _SAFE
    text = f"{kind.__name__}: {error}" if safe else f"{kind.__name__} (text withheld)"
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = " < ".join(f"{f.name} {f.filename.rsplit('/', 2)[-1]}:{f.lineno}" for f in reversed(frames))
    return f"{text} at {where}" if where else text


def start_logging(process: str, level: str) -> None:
    """Send every logger of this process through `JsonFormatter` to stderr.

    `level` is for our own code. Libraries speak from WARNING up: below that, clients of object stores and databases tell
    requests whole, with keys and signatures.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(process))
    handler.addFilter(Calm())
    wanted = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(wanted, logging.WARNING), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for ours in (*_OURS, "__main__"):
        logging.getLogger(ours).setLevel(wanted)
    for own_level in ("faust", "mode", "aiohttp.access"):
        logging.getLogger(own_level).setLevel(max(wanted, logging.WARNING))
