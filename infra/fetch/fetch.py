"""GET of one picture: every hop is checked on its own, and everything has a limit."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial

import aiohttp
from aiohttp import ClientResponse, ClientSession, DummyCookieJar, TCPConnector
from yarl import URL

from gpu_consumers.ports import PictureRefused, PictureUnavailable
from infra.fetch.address import Reach
from infra.fetch.resolve import Lookup, Pinned, SystemLookup, addresses, socket_to
from infra.fetch.target import Target, target_of
from infra.settings import Fetch as Rules

AT_ONCE = 8
"""Fetches of one worker at a time; the others wait. Bounds memory, sockets and threads that look up names."""
TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "application/octet-stream", "binary/octet-stream"})
"""The last two: what object stores say of files nobody named a type for. What is in it, the engine process finds out."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
LATER = frozenset({408, 425, 429})
"""Statuses that ask to come again, beside all of 500 and above."""
HEADERS = {"Accept": "image/png, image/jpeg, image/webp", "Accept-Encoding": "identity", "User-Agent": "darkroom"}


class Fetch:
    """Implements gpu_consumers.ports.Fetcher. Keeps nothing from one fetch to the next: no cookies, no connections."""

    def __init__(self, rules: Rules, *, lookup: Lookup | None = None, tls: ssl.SSLContext | None = None) -> None:
        """`lookup` and `tls` stand in for the system's. Raises `BadSetting`."""
        self._rules = rules
        self._reach = Reach.with_networks(rules.networks)
        self._lookup = lookup or SystemLookup(AT_ONCE)
        self._tls = tls or ssl.create_default_context()
        self._schemes = ("http", "https") if rules.http else ("https",)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, url: str) -> bytes:
        """The file at a URL."""
        async with self._slots:
            try:
                async with asyncio.timeout(self._rules.timeout_s):
                    return await self._follow(url)
            except TimeoutError:
                raise PictureUnavailable(f"did not come within {self._rules.timeout_s:g} s") from None
            except aiohttp.ClientConnectorCertificateError:
                raise PictureRefused("its host has no certificate that we trust") from None
            except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
                raise PictureRefused("is not a URL") from None
            except (aiohttp.ClientError, OSError):
                # Their texts name the host.
                raise PictureUnavailable("its host does not answer as it should") from None

    async def _follow(self, url: str) -> bytes:
        for _ in range(self._rules.redirects + 1):
            target = target_of(url, schemes=self._schemes, ports=self._rules.ports)
            found = await self._hop(target)
            if isinstance(found, bytes):
                return found
            url = str(found)
        raise PictureRefused(f"is redirected more than {self._rules.redirects} times")

    async def _hop(self, target: Target) -> bytes | URL:
        found = await addresses(self._lookup, self._reach, target.host, target.port)
        connector = TCPConnector(
            resolver=Pinned(found),
            use_dns_cache=False,
            ssl=self._tls,
            socket_factory=partial(socket_to, found),
            happy_eyeballs_delay=None,
            force_close=True,
        )
        async with (
            ClientSession(
                connector=connector, cookie_jar=DummyCookieJar(), headers=HEADERS, auto_decompress=False, trust_env=False
            ) as session,
            session.get(target.url, allow_redirects=False) as response,
        ):
            return await self._judge(target.url, response)

    async def _judge(self, url: URL, response: ClientResponse) -> bytes | URL:
        if response.status in REDIRECTS and "Location" in response.headers:
            return _joined(url, response.headers["Location"])
        if response.status >= 500 or response.status in LATER:
            raise PictureUnavailable(f"its host answered with status {response.status}")
        if response.status != 200:
            raise PictureRefused(f"its host answered with status {response.status}")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise PictureRefused("its host sends it compressed although asked not to")
        if response.content_type not in TYPES or "Content-Type" not in response.headers:
            raise PictureRefused("its host does not call it a PNG, JPEG or WebP picture")
        return await self._body(response)

    async def _body(self, response: ClientResponse) -> bytes:
        most = self._rules.max_bytes
        body = bytearray()
        if (response.content_length or 0) <= most:
            async for part in response.content.iter_any():
                body += part
                if len(body) > most:
                    break
            else:
                if body:
                    return bytes(body)
                raise PictureRefused("is empty")
        raise PictureRefused(f"has more than {most} bytes")


def _joined(url: URL, location: str) -> URL:
    try:
        return url.join(URL(location))
    except ValueError:
        raise PictureRefused("is redirected to what is not a URL") from None
