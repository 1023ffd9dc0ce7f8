"""How wrong a slide's phases and strengths are, the tags' true places being known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sim.propagation import SPEED_OF_LIGHT_MPS, Floats
from sim.slide_scan import Scan

LAGS: Final = np.arange(1, 26)
STOP_M: Final = 0.02


@dataclass(frozen=True, slots=True)
class Residuals:
    """Statistics of many scans at one pitch.

    Attributes
    ----------
    rms_rad : float
        Root mean square of the phase less that of the true distance, each tag's and channel's offset removed.
    over_1_rad : float
        Share of it beyond one radian.
    length_m : float
        Distance along the rail over which its correlation falls to 1/e.
    rssi_sd_db : float
        Scatter of the RSSI along the rail after ``40 log10`` of the distance.
    neighbours : float
        Correlation of adjacent tags' residuals.
    """

    rms_rad: float
    over_1_rad: float
    length_m: float
    rssi_sd_db: float
    neighbours: float


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over one scan of which `finish` makes `Residuals`.

    Attributes
    ----------
    tags, pairs : int
        How many the sums run over.
    square, beyond, fade : float
        Over the tags: mean square residual, share beyond a radian, variance of the level.
    correlation : float64[25]
        Over the tags: correlation of the residual with itself some stops on.
    neighbours : float
        Over the pairs: correlation of their residuals.
    """

    tags: int
    pairs: int
    square: float
    beyond: float
    fade: float
    correlation: Floats
    neighbours: float


def residuals(scan: Scan) -> Floats:
    """Phase less that of the true distance, the offset of each tag and channel removed; in (-pi, pi], NaN unheard."""
    k = 4 * np.pi * scan.frequency_khz * 1e3 / SPEED_OF_LIGHT_MPS
    turn = np.exp(1j * (scan.phase_rad - scan.distance_m[:, :, None] * k))
    mean = _mean(turn, 1)[:, None]
    with np.errstate(invalid="ignore"):  # a tag never heard on a channel has no offset
        return np.angle(turn * np.conj(mean / np.abs(mean)))


def moments(scan: Scan) -> Moments:
    """Return a scan's sums; tags never heard are left out."""
    r = residuals(scan)
    heard = np.atleast_1d(np.isfinite(r).any(axis=(1, 2)))
    square, beyond = _mean(r**2, (1, 2)), _mean(np.where(np.isfinite(r), np.abs(r) > 1.0, np.nan), (1, 2))
    centred = r - _mean(r, 1)[:, None]
    power = _mean(centred**2, 1)
    curve = np.array(
        [_mean(_mean(centred[:, lag:] * centred[:, :-lag], 1) / power, 1)[heard].sum() for lag in LAGS]
    )
    level = scan.rssi_dbm + 40 * np.log10(scan.distance_m)[:, :, None]
    fade = _mean(_mean((level - _mean(level, 1)[:, None]) ** 2, 1), 1)
    pairs = scan.pairs[np.all(heard[scan.pairs], axis=1)]
    a, b = centred[pairs[:, 0]], centred[pairs[:, 1]]
    alike = _mean(_mean(a * b, 1) / np.sqrt(_mean(a**2, 1) * _mean(b**2, 1)), 1)
    return Moments(
        tags=int(heard.sum()),
        pairs=len(pairs),
        square=float(square[heard].sum()),
        beyond=float(beyond[heard].sum()),
        fade=float(fade[heard].sum()),
        correlation=curve,
        neighbours=float(alike.sum()),
    )


def finish(of: Sequence[Moments]) -> Residuals:
    """Return the statistics of scans' sums; see `one_over_e` for the length."""
    tags, pairs = sum(m.tags for m in of), sum(m.pairs for m in of)
    curve = np.sum([m.correlation for m in of], axis=0) / tags
    return Residuals(
        rms_rad=float(np.sqrt(sum(m.square for m in of) / tags)),
        over_1_rad=sum(m.beyond for m in of) / tags,
        length_m=float(one_over_e(curve[None, :])[0]),
        rssi_sd_db=float(np.sqrt(sum(m.fade for m in of) / tags)),
        neighbours=sum(m.neighbours for m in of) / pairs if pairs else float("nan"),
    )


def one_over_e(curves: Floats) -> Floats:
    """Return where correlation curves over `LAGS` fall below 1/e, in metres, shape (b,); linear in between."""
    full = np.concatenate([np.ones((len(curves), 1)), curves], axis=1)
    below = full < np.exp(-1)
    at = np.where(below.any(axis=1), np.argmax(below, axis=1), LAGS.size)
    rows = np.arange(len(full))
    above, under = full[rows, at - 1], full[rows, at]
    return STOP_M * (at - 1 + np.clip((above - np.exp(-1)) / np.maximum(above - under, 1e-9), 0.0, 1.0))


def residual_statistics(scans: Sequence[Scan]) -> Residuals:
    """Compare the phases and strengths of scans of one pitch with those of the true distances."""
    return finish([moments(scan) for scan in scans])


def _mean(values: NDArray[Any], axis: int | tuple[int, ...]) -> NDArray[Any]:
    """Mean over what is finite; NaN, without a warning, where nothing is."""
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(there, values, 0.0).sum(axis=axis) / count
