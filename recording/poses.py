"""Where the robot was, and where it was in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recording.columns import Bool, ColumnSet, Float32, Float64, Int64, Rows, Strings


@dataclass(frozen=True, slots=True, eq=False)
class Poses(ColumnSet):
    """
    Poses of the robot's base on the floor map, by time.

    Attributes
    ----------
    t : int64 (n,)
        Nanoseconds since 1970-01-01 UTC.
    x_m, y_m : float64 (n,)
        Place of the base; x east, y north.
    yaw_rad : float64 (n,)
        Heading, counter-clockwise from x, any real number.
    sigma_xy_m, sigma_yaw_rad : float32 (n,), optional
        One standard deviation of the error; NaN where unknown.
    floor_id : object (n,), optional
        The plan's floor as str, None where unknown.
    mast_z_m : float32 (n,), optional
        Height of the mast, added to every mount's height.
    """

    DTYPES: ClassVar[dict[str, str]] = {
        "t": "i8",
        "x_m": "f8",
        "y_m": "f8",
        "yaw_rad": "f8",
        "sigma_xy_m": "f4",
        "sigma_yaw_rad": "f4",
        "floor_id": "O",
        "mast_z_m": "f4",
    }
    OPTIONAL: ClassVar[tuple[str, ...]] = ("sigma_xy_m", "sigma_yaw_rad", "floor_id", "mast_z_m")

    t: Int64
    x_m: Float64
    y_m: Float64
    yaw_rad: Float64
    sigma_xy_m: Float32 | None = None
    sigma_yaw_rad: Float32 | None = None
    floor_id: Strings | None = None
    mast_z_m: Float32 | None = None

    def select(self, rows: Rows) -> Poses:
        """Return the poses of a boolean mask, of indices or of a slice."""
        return Poses(**{name: values[rows] for name, values in self.columns()})

    @classmethod
    def empty(cls) -> Poses:
        """No poses."""
        none = np.empty(0, np.float64)
        return cls(t=np.empty(0, np.int64), x_m=none, y_m=none, yaw_rad=none)

    def covers(self, t: npt.ArrayLike) -> Bool:
        """Whether each time lies within the recorded span, shape of `t`."""
        times = np.asarray(t, dtype=np.int64)
        if not len(self):
            return np.zeros(times.shape, dtype=np.bool_)
        return (times >= self.t[0]) & (times <= self.t[-1])

    def at(self, t: npt.ArrayLike) -> Poses:
        """
        Poses at the given times, which need not be sorted; the poses themselves must be, strictly.

        Place, mast and sigmas are linear between two poses, the heading takes the shorter way round, the
        floor is that of the earlier pose. Outside the recorded span the end pose is held; `covers` tells
        which times those are.

        Parameters
        ----------
        t : int64 (m,)
            Nanoseconds UTC.

        Returns
        -------
        Poses
            m rows with the same columns.

        Raises
        ------
        ValueError
            If there are no poses at all.
        """
        times = np.atleast_1d(np.asarray(t, dtype=np.int64))
        if not len(self):
            raise ValueError("there are no poses to interpolate between")
        if len(self) == 1:
            held: dict[str, Any] = {name: np.repeat(values, len(times)) for name, values in self.columns()}
            held["t"] = times
            return Poses(**held)
        left = np.clip(np.searchsorted(self.t, times, side="right") - 1, 0, len(self) - 2)
        right = left + 1
        # Differences of int64 are exact where float64 nanoseconds since 1970 would round to 256 ns.
        inside = np.clip(times, self.t[0], self.t[-1])
        share = (inside - self.t[left]).astype(np.float64) / (self.t[right] - self.t[left]).astype(np.float64)
        at_end = share >= 1.0
        made: dict[str, Any] = {"t": times}
        for name, values in self.columns():
            if name == "yaw_rad":
                turn = np.remainder(values[right] - values[left] + np.pi, 2 * np.pi) - np.pi
                made[name] = np.where(at_end, values[right], values[left] + share * turn)
            elif name == "floor_id":
                made[name] = values[np.where(at_end, right, left)]
            elif name != "t":
                low = values[left].astype(np.float64)
                between = low + share * (values[right].astype(np.float64) - low)
                made[name] = np.where(at_end, values[right], between.astype(values.dtype))
        return Poses(**made)
