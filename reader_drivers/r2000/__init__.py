"""Boards with Impinj's R2000 chip that speak `A0` frames: IND903, Invelion, Rodinbell and their kin."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reader_drivers.r2000.driver import R2000Reader

__all__ = ["open_r2000"]


def open_r2000(url: str, clock: Callable[[], int] = time.time_ns) -> R2000Reader:
    """Make the driver for an ``r2000://`` URL."""
    from reader_drivers.r2000.driver import R2000Reader

    return R2000Reader(url, clock)
