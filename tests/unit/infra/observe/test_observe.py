"""Logs hold no job data, and health follows readiness."""

from __future__ import annotations

import json
import logging

import aiohttp

from infra.observe import observe
from infra.observe.logs import JsonFormatter
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
