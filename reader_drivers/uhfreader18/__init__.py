"""Chafon's readers of the UHFReader18 and UHFReader288 families (CF-RU5102 to CF-RU6402, CF-MU801 to CF-MU904)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reader_drivers.uhfreader18.driver import UhfReader18

__all__ = ["open_uhfreader18"]


def open_uhfreader18(url: str, clock: Callable[[], int] = time.time_ns) -> UhfReader18:
    """Make the driver for a ``uhfreader18://`` URL."""
    from reader_drivers.uhfreader18.driver import UhfReader18

    return UhfReader18(url, clock)
