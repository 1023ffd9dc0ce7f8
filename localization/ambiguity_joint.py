"""One verdict on an antenna's pi ambiguity from all tags together, where too few readings lie side by side.

A tag read ten times over a metre of track has hardly two readings from one spot. But its phases follow a hyperbola but
for a disturbance that is alike over some centimetres of track, so neighbouring residuals differ by little, or, with
the ambiguity, by little or by about pi. Each tag's place is unknown and takes the best value under either hypothesis,
the cable's length is one for all tags; the log likelihood ratio is the sum over the tags. What one tag leaves open, ten
decide.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from localization.signal_model import wavenumber

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Places tried: along the track and beyond its ends, and off it; cables' electrical lengths, for several channels.
STEP_M, BEYOND_M = 0.015, 0.15
OFF_M = np.arange(0.35, 1.3, 0.1)
LENGTHS_M = np.arange(0.0, 17.0, 1.0)
#: A residual scatters by so much, is alike over such a way, and is anything at all in one pair of so many.
SIGMA_RAD, ALIKE_M, WILD = 0.8, 0.10, 0.08
#: Neighbouring readings differ by a turn with one of these chances where readers turn: 2 p (1 - p), p = 0.32 being a
#: robot's median, or less, as such readers turn for a while.
TURNED = (0.2, 0.435)
#: Tags looked at, readings of each, and how few are no use; readings farther apart on the track do not follow.
MOST_TAGS, MOST_READINGS, FEWEST_READINGS = 40, 40, 8
FARTHEST_M = 4.0
#: A phase is known fully if that is likelier by so much (log), and by so much for every pair of neighbours: every
#: tag's place takes the best value, which of few readings explains much that is not so.
LIKELIER, LIKELIER_A_PAIR = 4.0, 0.1


def known_fully(tag: Ints, way_m: Floats, frequency_khz: Ints, phase_rad: Floats) -> bool:
    """Tell whether one antenna's readings say that its phase is known fully; False: up to pi, or nothing can be told.

    Parameters
    ----------
    tag : int64 array, shape (n,)
    way_m : float64 array, shape (n,)
        Where on the track, taken as straight, the antenna stood.
    frequency_khz : int64 array, shape (n,)
    phase_rad : float64 array, shape (n,)
    """
    k = wavenumber(frequency_khz)
    lengths = LENGTHS_M if len(np.unique(frequency_khz)) > 1 else LENGTHS_M[:1]
    middle = float(np.median(k)) if len(k) else 0.0
    whole, half = np.zeros(len(lengths)), np.zeros((len(TURNED), len(lengths)))
    used, pairs = 0, 0
    for number in np.unique(tag).tolist():
        mine = np.flatnonzero(tag == number)
        mine = mine[np.argsort(way_m[mine], kind="stable")]
        if used == MOST_TAGS:
            break
        if len(mine) < FEWEST_READINGS or np.ptp(way_m[mine]) > FARTHEST_M:
            continue
        mine = mine[:MOST_READINGS]
        used, pairs = used + 1, pairs + len(mine) - 1
        fully, up_to_pi = _best(way_m[mine], k[mine], phase_rad[mine], lengths, middle)
        whole += fully
        half += up_to_pi
    return float(whole.max() - half.max()) > max(LIKELIER, LIKELIER_A_PAIR * pairs)


def _best(way: Floats, k: Floats, phase: Floats, lengths: Floats, middle: float) -> tuple[Floats, Floats]:
    """Return one tag's best log likelihood for each cable: known fully, (lengths,), and up to pi, (turned, lengths)."""
    along = np.arange(way[0] - BEYOND_M, way[-1] + BEYOND_M, STEP_M)
    d = np.hypot(way - along[:, None, None], OFF_M[:, None])
    step = np.diff(phase - k * d, axis=-1)
    cable = np.diff((k - middle) * lengths[:, None], axis=-1)
    spread = 2.0 * SIGMA_RAD**2 * (1.0 - np.exp(-np.abs(np.diff(way)) / ALIKE_M)) + 0.01
    fully, up_to_pi = np.empty(len(lengths)), np.empty((len(TURNED), len(lengths)))
    for n in range(len(lengths)):
        left = step - cable[n]
        left = np.abs(left - 2.0 * math.pi * np.round(left / (2.0 * math.pi)))
        near, far = _density(left, spread), _density(math.pi - left, spread)
        fully[n] = np.log(near).sum(axis=-1).max()
        for m, turned in enumerate(TURNED):
            up_to_pi[m, n] = np.log((1.0 - turned) * near + turned * far).sum(axis=-1).max()
    return fully, up_to_pi


def _density(apart: Floats, spread: Floats) -> Floats:
    """Density of a wrapped difference: normal, or anything."""
    normal = np.exp(-0.5 * apart**2 / spread) / np.sqrt(2.0 * math.pi * spread)
    return (1.0 - WILD) * normal + WILD / (2.0 * math.pi)
