"""ThingMagic modules that speak the Mercury serial protocol: M6e, Micro, Nano and M7e."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reader_drivers.mercury.driver import MercuryReader

__all__ = ["open_mercury"]


def open_mercury(url: str, clock: Callable[[], int] = time.time_ns) -> MercuryReader:
    """Make the driver for a ``mercury://`` URL."""
    from reader_drivers.mercury.driver import MercuryReader

    return MercuryReader(url, clock)
