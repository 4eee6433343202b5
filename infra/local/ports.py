"""Free loopback ports, taken from where the system hands out none by itself."""

from __future__ import annotations

import random
import socket

# Below Linux's and macOS's ephemeral ranges, so that no outgoing connection takes a port between choice and use.
RANGE = range(20_000, 32_000)
TRIES = 200
CONNECT_S = 5.0


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections still linger counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def accepts(port: int) -> bool:
    """Tell whether somebody takes connections on this loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), CONNECT_S).close()
    except OSError:
        return False
    return True


def free_ports(count: int) -> tuple[int, ...]:
    """Return `count` different free ports; another program may still take one first, so callers try again."""
    # The system's randomness: seeding the global one (as test runs do) must not make two processes pick alike.
    candidates = random.SystemRandom().sample(RANGE, TRIES)
    found = [port for port in candidates if is_free(port)][:count]
    if len(found) < count:
        message = f"no {count} free ports among {TRIES} tried"
        raise OSError(message)
    return tuple(found)
