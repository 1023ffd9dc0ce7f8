"""Chafon's readers with `CF` frames: CF591, CF600, CF66x and other "UHF Prime" readers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reader_drivers.chafon.driver import ChafonReader

__all__ = ["open_chafon"]


def open_chafon(url: str, clock: Callable[[], int] = time.time_ns) -> ChafonReader:
    """Make the driver for a ``chafon://`` URL."""
    from reader_drivers.chafon.driver import ChafonReader

    return ChafonReader(url, clock)
