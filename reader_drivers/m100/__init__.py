"""MagicRF M100 and its kin (QM100, YRM100, R200, JRD-4035): small UHF modules on a serial line, without phase."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reader_drivers.m100.driver import M100Reader

__all__ = ["open_m100"]


def open_m100(url: str, clock: Callable[[], int] = time.time_ns) -> M100Reader:
    """Make the driver for an ``m100://`` URL."""
    from reader_drivers.m100.driver import M100Reader

    return M100Reader(url, clock)
