"""Two requests of Kafka's protocol, just enough to know that a broker is ready.

By hand instead of a client: a client logs and retries for seconds at a broker that is not there yet.
"""

from __future__ import annotations

import socket
import struct
from typing import Literal

API_VERSIONS = 18
FIND_COORDINATOR = 10
TIMEOUT = 5.0  # seconds for one answer
COORDINATORS: dict[Literal["group", "transaction"], int] = {"group": 0, "transaction": 1}


def answers(port: int) -> bool:
    """Tell whether a broker on this loopback port answers ApiVersions."""
    reply = _ask(port, API_VERSIONS, 0, b"")
    return reply is not None and _error(reply, at=0) == 0


def coordinates(port: int, kind: Literal["group", "transaction"]) -> bool:
    """Tell whether groups or transactions can be used; asking makes the broker create what that needs.

    Without it the first consumer group or transaction of a new broker waits 1–3 s.
    """
    key = b"darkroom-probe"
    body = struct.pack(f">h{len(key)}sb", len(key), key, COORDINATORS[kind])
    reply = _ask(port, FIND_COORDINATOR, 1, body)
    return reply is not None and _error(reply, at=4) == 0


def _error(reply: bytes, at: int) -> int:
    return int(struct.unpack_from(">h", reply, at)[0]) if len(reply) >= at + 2 else -1


def _ask(port: int, api: int, version: int, body: bytes) -> bytes | None:
    request = struct.pack(">hhih", api, version, 1, -1) + body
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as link:
            link.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", _read(link, 4))
            return _read(link, size)[4:]  # less the correlation id
    except OSError:
        return None


def _read(link: socket.socket, size: int) -> bytes:
    read = bytearray()
    while len(read) < size:
        piece = link.recv(size - len(read))
        if not piece:
            raise ConnectionResetError
        read += piece
    return bytes(read)
