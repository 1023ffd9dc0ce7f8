"""What there is to see of one tag."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class ViewError(ValueError):
    """Something that cannot be shown: what, and what to do."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one antenna heard of the tag in one pass; ``n`` observations by offset, ``c`` points of the fitted curve.

    Attributes
    ----------
    antenna, number : int
        Antenna id, and which of its passes (from 1).
    u_m : float64 array, shape (n,)
        The antenna's offset along the face.
    phase_rad : float64 array, shape (n,)
        Brought to one channel at the tag's place, less the pass' own constant, in -pi..pi; NaN where there is none.
    weight : float64 array, shape (n,)
        What the estimator made of each.
    rssi_dbm : float64 array, shape (n,)
    curve_u_m, curve_rad : float64 array, shape (c,)
        What the place would have given, in -pi..pi, NaN where it wraps.
    """

    antenna: int
    number: int
    u_m: Floats
    phase_rad: Floats
    weight: Floats
    rssi_dbm: Floats
    curve_u_m: Floats
    curve_rad: Floats


@dataclass(frozen=True, slots=True)
class TagView:
    """One tag; ``g`` offsets.

    Attributes
    ----------
    epc : str
    place : str
        Shelf or face, as people name it.
    offset_m, truth_m : float
        Along the face; the truth is NaN where it is not known, or on another face.
    sigma_along_m, sigma_local_m, quality : float
    readings : int
    passes : tuple of Pass
    doubled : bool
        Phases were known up to pi and doubled.
    has_phase : bool
    residual_rad : float
        Scale of the residuals at the place; NaN without phase.
    farther_m : float
        How much farther from the track than named its phases put it, at that offset; NaN without phase.
    grid_m, posterior, coherence : float64 array, shape (g,)
        Offsets; the density per metre that this tag's own phases give them, at the depth and height it was placed at;
        and the share (0..1) of the signal that would add up there. Empty without phase, or
        where too little track was driven for phases to tell.
    interval_m : tuple of float
        Between the 5th and the 95th percentile of that density; NaN where it is empty.
    note : str
        Why something is not shown; else empty.
    """

    epc: str
    place: str
    offset_m: float
    truth_m: float
    sigma_along_m: float
    sigma_local_m: float
    quality: float
    readings: int
    passes: tuple[Pass, ...]
    doubled: bool
    has_phase: bool
    residual_rad: float
    farther_m: float
    grid_m: Floats
    posterior: Floats
    coherence: Floats
    interval_m: tuple[float, float]
    note: str
