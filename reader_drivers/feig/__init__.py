"""FEIG OBID i-scan HF readers (ISO 15693): inventories polled over TCP or a serial line, and tags' memories.

`open_feig` takes ``feig://host`` (port 10001, advanced frames) and ``feig:///dev/ttyUSB0`` (38,400 baud, even
parity, standard frames).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reader_drivers.feig.driver import FeigReader

__all__ = ["open_feig"]


def open_feig(url: str, clock: Callable[[], int] = time.time_ns) -> FeigReader:
    """Make the driver for a ``feig://`` URL."""
    from reader_drivers.feig.driver import FeigReader

    return FeigReader(url, clock)
