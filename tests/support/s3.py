"""An S3 server for tests, and something in front of it that spoils single requests."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from infra.local.errors import JarUnavailableError
from infra.local.s3 import LocalS3

OTHERS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION")
HOP = frozenset({"connection", "expect", "keep-alive", "transfer-encoding"})


@contextmanager
def started(folder: Path) -> Iterator[LocalS3]:
    """A server, with TLS too. Skips where it cannot be fetched."""
    server = LocalS3(folder, tls=True)
    try:
        server.start()
    except JarUnavailableError as error:
        pytest.skip(f"needs S3Proxy: {error}")
    try:
        yield server
    finally:
        if _admin.cache_info().currsize:
            _admin(server).close()
        server.stop()


def use(server: LocalS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the server's credentials, and nothing that a developer has set up for AWS."""
    for name in OTHERS:
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)


@functools.cache
def _admin(server: LocalS3) -> Any:
    # One for all tests: making a client costs more than making a bucket.
    import boto3

    key, secret, region = server.env.values()
    made = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=region)
    return made.client("s3", endpoint_url=server.endpoint)


def make_bucket(server: LocalS3) -> str:
    """A new bucket's name."""
    name = f"test-{uuid.uuid4().hex}"
    _admin(server).create_bucket(Bucket=name)
    return name


Spoil = Callable[[web.Request], Awaitable[int | None]]
"""The status to answer a request with in the server's stead; None to pass it on."""


async def fair(request: web.Request) -> int | None:
    """Spoil nothing."""
    return None


class Spoiler:
    """Stands before the server on a port of its own. Passes requests on as they are, signatures included."""

    def __init__(self, server: LocalS3) -> None:
        self._server = server
        self.spoil: Spoil = fair
        self.alter: Callable[[bytes], bytes] = bytes
        self.port = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        runner = self._runner = web.AppRunner(web.Application(client_max_size=1 << 30), shutdown_timeout=0.1)
        runner.app.router.add_route("*", "/{any:.*}", self._serve)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _serve(self, request: web.Request) -> web.Response:
        status = await self.spoil(request)
        body = await request.read()
        if status is not None:
            return web.Response(status=status)
        return await self._passed_on(request, self.alter(body))

    async def _passed_on(self, request: web.Request, body: bytes) -> web.Response:
        url = URL(f"{self._server.endpoint}{request.raw_path}", encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        async with self._session.request(request.method, url, headers=headers, data=body) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP | {"content-length"}}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())


async def fetched(link: str) -> tuple[int, bytes, str]:
    """What somebody without credentials gets: status, body and content type."""
    async with aiohttp.ClientSession() as session, session.get(URL(link, encoded=True)) as answer:
        return answer.status, await answer.read(), answer.headers.get("content-type", "")


async def never(request: web.Request) -> int | None:
    """Answer no request."""
    await asyncio.Event().wait()
    return None
