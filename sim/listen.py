"""What programs that listen share: where they do, and until when."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading

from sim.errors import SimError


def host_port(listen: str) -> tuple[str, int]:
    """Return host (of an IPv6 address without its brackets) and port of ``HOST:PORT``.

    Raises
    ------
    SimError
        It is none.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise SimError(f"{listen}: is no HOST:PORT to listen on; write 127.0.0.1:0 for a free port")
    return host.strip("[]"), int(port)


def stop_on_signals(stopped: asyncio.Event) -> None:
    """Set an event of the running loop at SIGINT, SIGTERM and SIGHUP.

    Signal handlers belong to the main thread and to POSIX; elsewhere Ctrl-C ends the process as usual.
    """
    if sys.platform != "win32" and threading.current_thread() is threading.main_thread():
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stopped.set)
