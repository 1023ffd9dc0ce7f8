"""LLRP: Impinj and other UHF readers over TCP or TLS (EPCglobal Low Level Reader Protocol 1.0.1 and 1.1)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reader_drivers.llrp.driver import LlrpReader

__all__ = ["open_llrp"]


def open_llrp(url: str, clock: Callable[[], int] = time.time_ns) -> LlrpReader:
    """Make the driver for an `llrp://` URL."""
    # Emulators import the codec below this package; the driver, its threads and sockets are none of theirs.
    from reader_drivers.llrp.driver import LlrpReader

    return LlrpReader(url, clock)
