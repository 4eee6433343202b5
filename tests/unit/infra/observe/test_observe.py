"""Logs hold no job data, and health follows readiness."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import aiohttp
import pytest

from infra.observe import observe
from infra.observe.logs import JsonFormatter, start_logging
from infra.settings import Observe

PROMPT = "a very private prompt"


def _line(error: BaseException) -> dict[str, object]:
    told = {"name": "streams.x", "levelname": "ERROR", "msg": "stage failed", "exc_info": (type(error), error, None)}
    line: dict[str, object] = json.loads(JsonFormatter("streams").format(logging.makeLogRecord(told)))
    return line


def test_text_of_a_foreign_exception_is_withheld() -> None:
    assert PROMPT not in json.dumps(_line(ValueError(PROMPT)))


def test_text_of_a_system_error_is_shown() -> None:
    assert "No space left" in str(_line(OSError(28, "No space left"))["error"])


def test_text_of_a_librarys_own_system_error_is_withheld() -> None:
    class CannotConnect(OSError):
        """As aiohttp has one: its text names the host."""

    assert PROMPT not in json.dumps(_line(CannotConnect(PROMPT)))


@pytest.fixture
def loggers() -> Iterator[None]:
    """Loggers as they were, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("loggers")
def test_at_debug_only_our_own_code_says_more(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("test", "debug")
    for name in ("botocore.auth", "boto3", "urllib3.connectionpool", "redis", "cassandra.connection", "aiokafka.conn", "faust"):
        logging.getLogger(name).debug(PROMPT)
        logging.getLogger(name).info(PROMPT)
    logging.getLogger("streams.agents.admit").debug("of ours")
    logging.getLogger("__main__").debug("of the program's")
    said = capsys.readouterr().err
    assert PROMPT not in said
    assert "of ours" in said
    assert "of the program's" in said


def test_extra_fields_are_part_of_the_line() -> None:
    record = logging.makeLogRecord({"msg": "batch %s", "args": ("b1",), "size": 3, "odd": object()})
    line = json.loads(JsonFormatter("worker").format(record))
    assert (line["event"], line["size"], line["odd"]) == ("batch b1", 3, "<object>")


async def test_readyz_follows_readiness_while_healthz_and_metrics_always_answer() -> None:
    ready = False
    async with observe("test", Observe(), ready=lambda: ready) as seen, aiohttp.ClientSession() as http:

        async def status(path: str) -> int:
            async with http.get(f"http://127.0.0.1:{seen.port}{path}") as answer:
                await answer.read()
                return answer.status

        assert [await status(p) for p in ("/healthz", "/readyz", "/metrics")] == [200, 503, 200]
        ready = True
        assert await status("/readyz") == 200
