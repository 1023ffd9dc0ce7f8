"""Runs one emulated reader as a program, for `nightstack readers emulate`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from sim.listen import stop_on_signals


def serve_until_stopped(
    listen: str,
    make: Callable[[str], AbstractAsyncContextManager[Any]],
    more: Callable[[str], str] | None = None,
) -> int:
    """Listen on `host:port` or a pty, print `listening ADDRESS`, and serve until SIGINT, SIGTERM or SIGHUP.

    Parameters
    ----------
    listen
        Where.
    make
        Makes what serves there; raises ValueError, one line, where `listen` is no address, or none for it.
    more
        Returns a second line to print, by the address.

    Returns
    -------
    int
        Exit status: 2 where `listen` is no address, or one that it cannot serve at, 1 where it cannot be had.
    """
    try:
        return asyncio.run(_serve(listen, make, more))
    except OSError as error:
        reason = error.strerror or str(error)
        if not listen.startswith("pty"):
            return _refuse(
                f"{listen}: cannot be listened on ({reason}); choose another port, or 0 for a free one", 1
            )
        if isinstance(error, FileExistsError):
            reason = "something is there, which is kept"
        return _refuse(f"{listen}: cannot be made ({reason}); name a path that is free, in a folder of yours")
    except KeyboardInterrupt:
        return 0


def _refuse(why: str, status: int = 2) -> int:
    print(f"nightstack: {why}", file=sys.stderr)
    return status


async def _serve(
    listen: str,
    make: Callable[[str], AbstractAsyncContextManager[Any]],
    more: Callable[[str], str] | None,
) -> int:
    stopped = asyncio.Event()
    stop_on_signals(stopped)
    try:
        served = make(listen)
    except ValueError as error:
        return _refuse(str(error))
    async with served as emulator:
        print(f"listening {emulator.address}", flush=True)
        if more is not None:
            print(more(emulator.address), flush=True)
        await stopped.wait()
    return 0
