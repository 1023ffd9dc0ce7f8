"""Runs one emulated reader as a program, for `nightstack readers emulate`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any


def serve_until_stopped(listen: str, make: Callable[[str], AbstractAsyncContextManager[Any]]) -> int:
    """Listen on `host:port` or a pty, print `listening ADDRESS`, and serve until SIGINT or SIGTERM.

    Returns the exit status: 2 where `listen` is no address, 1 where it cannot be had.
    """
    host, _, port = listen.rpartition(":")
    line = listen == "pty" or listen.startswith("pty:/")
    if not line and (not host or not port.isdecimal() or int(port) > 65535):
        print(
            f"nightstack: {listen}: no address to listen on; give HOST:PORT, such as 127.0.0.1:5084, or pty",
            file=sys.stderr,
        )
        return 2
    try:
        asyncio.run(_serve(listen, make))
    except OSError as error:
        reason = error.strerror or str(error)
        print(
            f"nightstack: {listen}: cannot be listened on ({reason}); choose another port, or 0 for a free one",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


async def _serve(listen: str, make: Callable[[str], AbstractAsyncContextManager[Any]]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Signal handlers belong to the main thread and to POSIX; elsewhere Ctrl-C ends the process as usual.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stopped.set)
    async with make(listen) as emulator:
        print(f"listening {emulator.address}", flush=True)
        await stopped.wait()
