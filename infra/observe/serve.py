"""`/metrics`, `/healthz` and `/readyz` of one process, served by its own event loop.

`/healthz` answers as long as the loop turns, which is what a liveness probe should ask. `/readyz` answers 200 once the
process can take work and 503 before and while it leaves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import REGISTRY, generate_latest

from infra.observe.logs import start_logging
from infra.settings import Observe


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """Where the process is observed."""

    port: int


@asynccontextmanager
async def observe(process: str, settings: Observe, ready: Callable[[], bool]) -> AsyncIterator[Observed]:
    """Log as `process` and serve its health and metrics until the block ends."""
    start_logging(process, settings.log_level)
    runner = web.AppRunner(_app(ready), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.http_host, settings.http_port)
        await site.start()
        yield Observed(port=runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _app(ready: Callable[[], bool]) -> web.Application:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(REGISTRY), content_type="text/plain", charset="utf-8")

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ready\n") if ready() else web.Response(text="not ready\n", status=503)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    return app
