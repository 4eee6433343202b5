"""The engine process: holds the loaded models, runs batches one after the other, encodes what they make.

Three threads: one reads orders, one runs the engine, one encodes and answers while the engine goes on. It ends at once
when its parent does: the pipe's end of file sees to that, and on Linux a signal as well.

Run as `python -m gpu_consumers.child FD MEMORY_MB GROWTH_MB`: its end of a socket pair, and how large it may become.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading

from engines import EngineBroken, registry
from gpu_consumers.bare import print_bare
from gpu_consumers.frames import BROKEN, Hello, order_of, pack, receive
from gpu_consumers.inbox import Inbox
from gpu_consumers.leak import Bounds, LeakGuard
from gpu_consumers.shelf import Shelf
from gpu_consumers.tell import Send, Teller
from gpu_consumers.work import Runner

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """On Linux: be killed when the parent dies, even in the middle of a long computation that holds the interpreter."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _read(sock: socket.socket, inbox: Inbox) -> None:
    try:
        while (body := receive(sock)) is not None:
            inbox.put(order_of(body))
    finally:
        os._exit(0)  # the parent is gone: nobody could be told of anything any more


def sender(sock: socket.socket) -> Send:
    """A way to send whole frames from several threads."""
    lock = threading.Lock()

    def send(frame: bytes) -> None:
        with lock:
            sock.sendall(frame)

    return send


def main(fd: int, memory_mb: int = 0, growth_mb: int = 0) -> None:
    """Serve the parent at the other end of this socket."""
    sys.excepthook = print_bare
    # A terminal and a service manager signal the whole process group; when to stop is the parent's decision.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    die_with_parent()
    sock = socket.socket(fileno=fd)
    inbox, send = Inbox(), sender(sock)
    reader = threading.Thread(target=_read, args=(sock, inbox), name="orders", daemon=True)
    reader.start()
    teller = Teller(send)
    teller.start()
    guard = LeakGuard(Bounds(memory_mb=memory_mb, growth_mb=growth_mb), settle=teller.flush)
    send(pack(Hello(pid=os.getpid())))
    try:
        Runner(inbox, Shelf(registry.load), teller, send, guard).serve()
        reader.join()  # until the parent, which has read all by then, hangs up
    except EngineBroken as error:
        print_bare(type(error), error, error.__traceback__)
        os._exit(BROKEN)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
