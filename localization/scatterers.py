"""Common scatterers: what a row's ends and uprights re-radiate, fitted jointly with all tags' offsets.

In a densely read scan along a straight line the phase errors of neighbouring tags are not independent: every tag
radiates along the row to the same few scatterers near the tags' plane, and those radiate to the antenna. One way,
with ``k = 2 pi f / c``, antenna point ``a``, tag ``p_i``, scatterer ``q_s`` and ``G`` the cosine off boresight,

    m_i(a) = G e^{-jk|a - p_i|} / |a - p_i| + sum_s rho_s e^{-jk|p_i - q_s|} G e^{-jk|a - q_s|} / |a - q_s|

and the signal heard is ``alpha_i m_i(a)^2``. ``rho_s`` and ``q_s`` are the scan's, ``alpha_i`` is the tag's own. Once
known, a scatterer is no nuisance: its phase ranges the tag along the row. Scatterers are found by matching pursuit
(Mallat & Zhang, IEEE Trans. Signal Processing 41, 1993) over all tags together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from localization.signal_model import LIGHT_MPS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Complex = npt.NDArray[np.complex128]

#: Grid of tag offsets, and of scatterers: along the row, and in depth about the tags' plane (positive: behind).
STEP_M = 0.005
SCATTERER_STEP_M = 0.02
BEYOND_ROW_M = 0.6
DEPTHS_M = (-0.06, 0.12)
#: Scatterers of a scan: two ends and a few uprights; more explain nothing further.
MOST_SCATTERERS = 6
#: Ridge of the scatterers' least squares, as a share of the mean diagonal; damping of each step.
RIDGE, DAMPING = 1e-3, 0.7
#: Rounds of (phases, scatterers, offsets) after each change.
ROUNDS = 3
#: Effective independent samples of a scan, for the posterior: a metre of track at a correlation of 12 cm.
EFFECTIVE_SAMPLES = 8.0
#: What stays in a tag's offset whatever the fit says: its own phase centre.
TAG_SIGMA_M = 0.0125
#: Every so many stops one is held out to judge whether scatterers explain anything.
HOLD_OUT = 4


@dataclass(frozen=True, slots=True)
class Scan:
    """Tags read along one straight line: ``f`` channels, ``i`` tags, ``n`` stops.

    Attributes
    ----------
    u_m, h_m : float64 array, shape (n,)
        The stops in the row's frame: along it, and distance from the tags' plane.
    frequency_hz : float64 array, shape (f,)
    signal : complex128 array, shape (f, i, n)
        ``10^(RSSI / 20) e^{-j phase}``, 0 where nothing was heard.
    heard : bool array, shape (f, i, n)
    low_m, high_m : float
        The row: where tags may stand.
    """

    u_m: Floats
    h_m: Floats
    frequency_hz: Floats
    signal: Complex
    heard: npt.NDArray[np.bool_]
    low_m: float
    high_m: float


@dataclass(frozen=True, slots=True)
class ScatterFit:
    """Offsets of a scan's tags.

    Attributes
    ----------
    offset_m, sigma_m : float64 array, shape (i,)
    unexplained : float64 array, shape (i,)
        Share of the tag's energy that the model leaves.
    gain : float
        By how much scatterers lower the log of the unexplained share of the stops held out, mean over tags.
    scatterers_m : float64 array, shape (s, 2)
        Along the row, and depth behind the tags' plane.
    """

    offset_m: Floats
    sigma_m: Floats
    unexplained: Floats
    gain: float
    scatterers_m: Floats


def fit_scatterers(scan: Scan, most: int = MOST_SCATTERERS) -> ScatterFit:
    """Fit scatterers and offsets on one thread.

    The matrices are small: a linear-algebra library that spreads them over all cores only waits for them.
    """
    with threadpool_limits(limits=1):
        return _fit_scatterers(scan, most)


def _fit_scatterers(scan: Scan, most: int) -> ScatterFit:
    """Fit scatterers and offsets; ``gain`` tells whether to believe them.

    The log of the unexplained share is averaged over two models of the antenna (with and without pattern), as
    neither is quite true.
    """
    evidence: list[Floats] = []
    unexplained: list[Floats] = []
    places = np.zeros((0, 2))
    grid = np.zeros(0)
    for pattern in (True, False):
        fitted = _Fit(scan, pattern).run(most)
        evidence.append(-np.log(np.maximum(1.0 - fitted.match**2, 1e-6)))
        unexplained.append(fitted.unexplained)
        places, grid = fitted.place, fitted.x
    mean = np.mean(evidence, axis=0)
    offset = _peak(grid, mean)
    posterior = np.exp(EFFECTIVE_SAMPLES * (mean - mean.max(axis=1, keepdims=True)))
    away = np.minimum(np.abs(grid - offset[:, None]), 0.3)
    spread = (posterior * away**2).sum(axis=1) / posterior.sum(axis=1)
    return ScatterFit(
        offset_m=offset,
        sigma_m=np.sqrt(spread + TAG_SIGMA_M**2),
        unexplained=np.mean(unexplained, axis=0),
        gain=_held_out_gain(scan, most),
        scatterers_m=places,
    )


def _held_out_gain(scan: Scan, most: int) -> float:
    """Fit without every fourth stop, and see what the scatterers explain of those."""
    held = np.zeros(len(scan.u_m), bool)
    held[np.argsort(scan.u_m)[HOLD_OUT // 2 :: HOLD_OUT]] = True
    rest = Scan(
        scan.u_m, scan.h_m, scan.frequency_hz, np.where(held, 0.0, scan.signal), scan.heard & ~held,
        scan.low_m, scan.high_m,
    )  # fmt: skip
    # Without scatterers, the better of the two antennas: a wrong pattern must not pass for scatterers found.
    plain = [np.log(_Fit(rest, pattern).run(0).score(scan, held) + 0.01) for pattern in (True, False)]
    with_scatterers = np.log(_Fit(rest, False).run(most).score(scan, held) + 0.01)
    return float(min(np.mean(value) for value in plain) - np.mean(with_scatterers))


def _peak(x: Floats, curve: Floats) -> Floats:
    """Return where each row of ``curve`` is largest, by the parabola through the three best points."""
    j = np.clip(curve.argmax(axis=1), 1, len(x) - 2)
    row = np.arange(len(j))
    a, b, c = curve[row, j - 1], curve[row, j], curve[row, j + 1]
    shift = 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-12)
    return x[j] + (x[1] - x[0]) * np.clip(shift, -1.0, 1.0)


class _Fit:
    """One joint fit; arrays are channel first, so that every product is a matrix product."""

    def __init__(self, scan: Scan, pattern: bool) -> None:
        self.scan, self.pattern = scan, pattern
        self.k = 2.0 * math.pi * scan.frequency_hz / LIGHT_MPS
        self.heard = scan.heard.astype(np.float64)
        energy = np.sqrt((np.abs(scan.signal) ** 2).sum(axis=(0, 2), keepdims=True))
        self.signal = scan.signal / np.maximum(energy, 1e-30)
        self.x = np.arange(scan.low_m, scan.high_m + STEP_M, STEP_M)
        self.direct = self._antenna(self.x, np.zeros(len(self.x)))
        along = np.arange(scan.low_m - BEYOND_ROW_M, scan.high_m + BEYOND_ROW_M, SCATTERER_STEP_M)
        depth = np.arange(DEPTHS_M[0], DEPTHS_M[1] + 1e-9, SCATTERER_STEP_M)
        self.grid = np.stack([axis.ravel() for axis in np.meshgrid(along, depth, indexing="ij")], axis=1)
        self.grid_field = self._antenna(self.grid[:, 0], self.grid[:, 1])
        self.place = np.zeros((0, 2))
        self.field = np.zeros((len(self.k), 0, len(scan.u_m)), np.complex128)
        self.rho = np.zeros(0, np.complex128)
        self.at = np.zeros(self.signal.shape[1], np.int64)
        self.match = np.zeros((len(self.at), len(self.x)))
        self.unexplained = np.ones(len(self.at))

    def run(self, most: int) -> _Fit:
        """Add up to ``most`` scatterers, then take each out once and find it anew."""
        self._offsets()
        self._channels()
        self._offsets()
        for _ in range(most):
            self._add()
            self._settle()
            self._channels()
        for _ in range(most):
            self._drop(0)
            self._add()
            self._settle()
        self._tags()
        return self

    def score(self, scan: Scan, held: npt.NDArray[np.bool_]) -> Floats:
        """Return each tag's unexplained share of the held-out stops, shape (i,)."""
        mask = scan.heard & held
        model = self._model()[:, self.at] ** 2 * mask
        # The channels' phases as the fit found them: they are the scan's, not the stops'.
        signal = np.where(mask, scan.signal, 0.0) * self._phases()
        dot = (model.conj() * signal).sum(axis=(0, 2))
        power = (np.abs(model) ** 2).sum(axis=(0, 2)) * (np.abs(signal) ** 2).sum(axis=(0, 2))
        return 1.0 - np.abs(dot) ** 2 / np.maximum(power, 1e-30)

    def _phases(self) -> Complex:
        """Return what ``_channels`` turned each channel by, shape (f, 1, 1)."""
        turned = (self.signal * self.scan.signal.conj()).sum(axis=(1, 2))
        return np.exp(1j * np.angle(turned))[:, None, None]

    def _antenna(self, x: Floats, depth: Floats) -> Complex:
        """Field at the stops from points of the row, shape (f, points, n)."""
        out = self.scan.h_m + depth[:, None]
        d = np.sqrt((self.scan.u_m - x[:, None]) ** 2 + out**2)
        gain = out / d**2 if self.pattern else 1.0 / d
        return np.asarray(gain * np.exp(-1j * self.k[:, None, None] * d), np.complex128)

    def _links(self, x: Floats, place: Floats) -> Complex:
        """Phase from points of the row to scatterers, shape (f, points, scatterers)."""
        d = np.sqrt((x[:, None] - place[:, 0]) ** 2 + place[:, 1] ** 2)
        return np.exp(-1j * self.k[:, None, None] * d)

    def _model(self) -> Complex:
        """One-way field for every offset of the grid, shape (f, x, n)."""
        if len(self.rho) == 0:
            return self.direct
        return self.direct + self._links(self.x, self.place) @ (self.rho[:, None] * self.field)

    def _offsets(self) -> None:
        """Match every tag with every offset, and take the best."""
        square = self._model() ** 2
        dot = (self.signal.conj() @ square.transpose(0, 2, 1)).sum(axis=0)
        power = (self.heard @ (np.abs(square) ** 2).transpose(0, 2, 1)).sum(axis=0)
        self.match = np.abs(dot) / np.sqrt(np.maximum(power, 1e-30))
        self.at = self.match.argmax(axis=1)

    def _channels(self) -> None:
        """Turn each channel by the phase that all tags share there: the cable's delay."""
        model = self._model()[:, self.at] ** 2 * self.heard
        per_channel = (model.conj() * self.signal).sum(axis=2)
        turn = np.angle((per_channel * per_channel.sum(axis=0).conj()).sum(axis=1))
        self.signal = self.signal * np.exp(-1j * turn)[:, None, None]

    def _tags(self) -> None:
        """Each tag's own factor, weight and one-way signal, its sign at each stop the one nearer to the model."""
        one_way = self._model()[:, self.at]
        model = one_way**2 * self.heard
        power = (np.abs(model) ** 2).sum(axis=(0, 2))
        factor = (model.conj() * self.signal).sum(axis=(0, 2)) / np.maximum(power, 1e-30)
        self.unexplained = np.clip(1.0 - np.abs(factor) ** 2 * power, 0.0, 1.0)
        root = np.sqrt(factor)[:, None]
        signal = np.sqrt(self.signal)
        flip = ((root * one_way).conj() * signal).real < 0
        self.one_way = np.where(flip, -signal, signal) / np.where(np.abs(root) > 0, root, 1.0)
        self.left = (self.one_way - one_way) * self.heard
        weight = np.abs(factor) / (self.unexplained + 0.02)
        self.weight = weight / weight.sum()

    def _add(self) -> None:
        """Add the scatterer of the grid that explains most of what all tags have left."""
        self._tags()
        dot = np.zeros(len(self.grid), np.complex128)
        links = self._links(self.x[self.at], self.grid)
        for f in range(len(self.k)):
            dot += ((self.grid_field[f].conj() @ self.left[f].T) * links[f].conj().T) @ self.weight
        covered = np.einsum("fin,i->fn", self.heard, self.weight)
        power = np.einsum("fqn,fn->q", np.abs(self.grid_field) ** 2, covered)
        best = int((np.abs(dot) ** 2 / np.maximum(power, 1e-30)).argmax())
        self.place = np.vstack([self.place, self.grid[best]])
        self.field = np.concatenate([self.field, self.grid_field[:, best : best + 1]], axis=1)
        self.rho = np.append(self.rho, 0.0)

    def _drop(self, index: int) -> None:
        self.place = np.delete(self.place, index, axis=0)
        self.field = np.delete(self.field, index, axis=1)
        self.rho = np.delete(self.rho, index)

    def _settle(self) -> None:
        """Alternate the tags' factors, the scatterers' strengths and the offsets."""
        for _ in range(ROUNDS):
            self._tags()
            count = len(self.rho)
            links = self._links(self.x[self.at], self.place)
            target = (self.one_way - self.direct[:, self.at]) * self.heard
            weighted = self.weight[None, :, None] * self.heard
            # sum over tags and stops of conj(c_s) c_t, with c = link(tag) * field(stop)
            normal = np.zeros((count, count), np.complex128)
            right = np.zeros(count, np.complex128)
            for f in range(len(self.k)):
                column = links[f].T[:, :, None] * self.field[f][:, None, :]
                flat = (column * np.sqrt(weighted[f])).reshape(count, -1)
                normal += flat.conj() @ flat.T
                right += flat.conj() @ (target[f] * np.sqrt(weighted[f])).ravel()
            ridge = RIDGE * float(np.trace(normal).real) / count * np.eye(count)
            self.rho = self.rho + DAMPING * (np.linalg.solve(normal + ridge, right) - self.rho)
            self._offsets()
