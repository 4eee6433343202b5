"""Names to addresses, once, and connections to exactly those."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from gpu_consumers.ports import PictureRefused, PictureUnavailable
from infra.fetch.address import Reach

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a host. Raises OSError."""


class SystemLookup:
    """Asks the operating system, in threads of its own: a name server that hangs must not hold up the uploads."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="lookup")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def addresses(lookup: Lookup, reach: Reach, host: str, port: int) -> Sequence[str]:
    """Where a host is. One address that may not be connected to spoils the name: nobody decent mixes them."""
    try:
        found = await lookup(host, port)
    except (OSError, UnicodeError):
        raise PictureUnavailable("its host is not known") from None
    if not found or not all(reach.permits(one) for one in found):
        raise PictureRefused("its host is not on the public internet")
    return found


class Pinned(AbstractResolver):
    """Answers with addresses found before, whatever the name servers say by now."""

    def __init__(self, found: Sequence[str]) -> None:
        self._found = found

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AddressFamily.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._found
        ]

    async def close(self) -> None:
        """Nothing to close."""


def socket_to(found: Sequence[str], info: Any) -> socket.socket:
    """A socket for one connection, the last thing before it is made: only to what was found and permitted."""
    family, kind, protocol, _, address = info
    if address[0] not in found:
        raise PictureRefused("its host is not on the public internet")
    return socket.socket(family, kind, protocol)
