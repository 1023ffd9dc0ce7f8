"""Are a face's tags heard beyond one of its ends, where none stands? Then clock, mounts, map or plan are off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Centroids shifted by more, and so far beyond a face's end, are no chance; ends are told by so many tags at each, more
#: than reach around a case's end onto its other side.
SHIFT_M, BEYOND_M, END_SHARE = 0.07, 0.01, 0.15
#: Tags this near to an end tell how dense they stand there.
NEAR_M = 0.5
#: Deviation of a normal error by its median absolute one.
NORMAL_MAD = 1.4826


def deviation(value: Floats) -> float:
    """Return a robust standard deviation about the median; NaN: there are no values. Any shape."""
    return NORMAL_MAD * float(np.median(np.abs(value - np.median(value)))) if len(value) else np.nan


def beyond_end(centre_m: Floats, length_m: float, noise_m: float) -> float:
    """Return how far a face's tags are shifted out beyond an end of it, m; 0: by no more than chance.

    Parameters
    ----------
    centre_m : float64 array, shape (n,)
        Along the face, where power has each tag.
    length_m : float
        Of the face, which begins at 0.
    noise_m : float
        Standard deviation of the centroids; no less than it is.

    Notes
    -----
    Coarse centroids reach beyond both ends of a full face; a shift takes them out of one and away from the other. A
    face that is full at one end alone is far from its other end without being shifted: there, more must stand beyond
    this one than the centroids' own scatter puts there.
    """
    low, high = np.quantile(centre_m, [END_SHARE, 1.0 - END_SHARE])
    # Where the outermost would stand, were they as dense as the others: single strays do not say.
    reach = (high - low) * END_SHARE / (1.0 - 2.0 * END_SHARE)
    # Noise alone spreads a row's centroids by so much at either end.
    alone = np.sqrt(max(1.0 - (noise_m / max(deviation(centre_m), 1e-9)) ** 2, 0.0))
    spread = 0.5 * (high - low + 2.0 * reach) * (1.0 - alone)
    over_left, over_right = reach - low - spread, high + reach - spread - length_m
    shift, over = 0.5 * abs(float(over_left - over_right)), float(max(over_left, over_right))
    chance = 2.0 * noise_m / np.sqrt(END_SHARE * 2.0 * len(centre_m))
    if shift <= SHIFT_M + chance or over <= BEYOND_M + chance:
        return 0.0
    inward = length_m - centre_m if over_right > over_left else centre_m
    return shift if _stand_out(inward, min(NEAR_M, max(0.5 * length_m, 1e-3)), noise_m) else 0.0


def _stand_out(inward_m: Floats, near_m: float, noise_m: float) -> bool:
    """Tell whether more centroids stand beyond an end, by their distances from it inwards, than scatter puts there.

    Of a row of ``d`` tags a metre up to the end, seen with a deviation of ``s``, ``d s / sqrt(2 pi)`` are beyond it.
    """
    beyond, before = int((inward_m < 0.0).sum()), int(((inward_m >= 0.0) & (inward_m < near_m)).sum())
    blurred = before / near_m * noise_m / np.sqrt(2.0 * np.pi)
    return bool(beyond > blurred + 2.0 * np.sqrt(blurred))
