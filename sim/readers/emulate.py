"""An emulated reader alone, in real time, for `nightstack readers emulate`."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from sim.readers.llrp import LlrpEmulator
from sim.readers.small_world import SmallWorld


def main_emulate(listen: str = "127.0.0.1:5084", seed: int = 1) -> int:
    """Serve one emulated LLRP reader until interrupted; prints `listening HOST:PORT` when it does.

    Returns
    -------
    int
        Exit status: 0 after an interrupt, 1 when the address cannot be listened on, 2 when it is none.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        print(f"{listen}: no address to listen on; give HOST:PORT, such as 127.0.0.1:5084")
        return 2
    try:
        asyncio.run(_serve(listen, seed))
    except OSError as error:
        print(
            f"{listen}: cannot be listened on ({error.strerror or error}); choose another port, or 0 for a free one"
        )
        return 1
    return 0


async def _serve(listen: str, seed: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Signal handlers belong to the main thread and to POSIX; elsewhere Ctrl-C ends the process as usual.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stopped.set)
    async with LlrpEmulator(SmallWorld(seed), listen) as emulator:
        print(f"listening {emulator.address}", flush=True)
        await stopped.wait()
