"""A reader's own clock: off, drifting and jumping, as readers' clocks are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class ReaderClock:
    """Maps true time to what a reader believes.

    Parameters
    ----------
    offset_s
        How far the reader is ahead at `epoch_ns`; a reader without time server may be wrong by half an hour.
    drift_ppm
        How much faster it runs; 90 ms in 7 minutes are 214 ppm.
    epoch_ns
        True time (ns UTC) from which the drift counts.
    """

    def __init__(self, offset_s: float = 0.0, drift_ppm: float = 0.0, epoch_ns: int = 0) -> None:
        self.drift_ppm = drift_ppm
        self.epoch_ns = epoch_ns
        self._steps: list[tuple[int, int]] = [(np.iinfo(np.int64).min, round(offset_s * 1e9))]

    def step(self, seconds: float, at_ns: int) -> None:
        """Let the clock jump at a true time; negative: backwards."""
        self._steps.append((at_ns, round(seconds * 1e9)))
        self._steps.sort()

    def at(self, t_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the reader's time (ns) at true times `t_ns`, of the same shape."""
        when = np.array([at for at, _ in self._steps], np.int64)
        total = np.cumsum(np.array([ns for _, ns in self._steps], np.int64))
        jumped = total[np.searchsorted(when, t_ns, side="right") - 1]
        return t_ns + jumped + np.rint((t_ns - self.epoch_ns) * (self.drift_ppm * 1e-6)).astype(np.int64)

    def microseconds(self, t_ns: int | NDArray[np.int64]) -> NDArray[Any]:
        """Return the reader's time in whole microseconds, as LLRP stamps are."""
        return self.at(np.asarray(t_ns, np.int64)) // 1000
