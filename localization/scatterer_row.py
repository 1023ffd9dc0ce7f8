"""A straight scan as the joint fit sees it: all channels in one signal, and what each tag alone says of its place.

A scattered path is at most a metre or two longer than the direct one, so over a few megahertz it turns by a few
hundredths of a radian: once cable and distance are taken out of each channel, all channels say the same. One signal a
tag and stop is what makes the fit fast, and it leaves no cell of the channel and stop table empty for want of readings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.signal_model import LIGHT_MPS

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
Bools = npt.NDArray[np.bool_]

#: Grid of tag offsets.
STEP_M = 0.005
#: Electrical lengths looked through for what the run's cable delay is still off, with the distance taken out.
LENGTHS_M = np.arange(-14.0, 30.0, 0.05)
#: Every so many of the tag offsets serve to find the delay.
COARSE = 2
#: RSSI falls by 50 dB a decade about a slide (distance there and back, and both patterns); fades scatter it by 4 dB and
#: are alike over some 15 cm, so that a scan holds no more than so many independent levels.
RSSI_SLOPE, FADE_DB, LEVELS = 2.5, 3.7, 6.0


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
    heard: Bools
    low_m: float
    high_m: float


@dataclass(frozen=True, slots=True)
class Row:
    """A scan with its channels in one; ``x`` grid points, else as in :class:`Scan`.

    Attributes
    ----------
    u_m, h_m : float64 array, shape (n,)
    k : float
        One-way wavenumber of the middle of the channels, rad/m.
    signal : complex128 array, shape (i, n)
        Each tag's of unit energy.
    heard : float64 array, shape (i, n)
        1 or 0.
    x_m : float64 array, shape (x,)
    log_prior : float64 array, shape (i, x)
        Of the offset, by the RSSI profile alone; its largest is 0.
    alone_m : float64 array, shape (i,)
        Where the phases of each tag alone add up best.
    """

    u_m: Floats
    h_m: Floats
    k: float
    signal: Complex
    heard: Floats
    x_m: Floats
    log_prior: Floats
    alone_m: Floats

    def without(self, stops: Bools) -> Row:
        """Return the row as if nothing had been heard at the given stops."""
        heard = np.where(stops, 0.0, self.heard)
        return make_row(self.u_m, self.h_m, self.k, self.signal, heard, self.x_m)


def one_channel(scan: Scan) -> Row:
    """Gather a scan's channels in one; the delay they need beyond that of the run is found from all tags together."""
    k = 2.0 * math.pi * scan.frequency_hz / LIGHT_MPS
    middle = float(k.mean())
    x = np.arange(scan.low_m, scan.high_m + STEP_M, STEP_M)
    coarse = x[::COARSE]
    d = np.hypot(scan.u_m - coarse[:, None], scan.h_m)
    unit = np.where(scan.heard, scan.signal / np.maximum(np.abs(scan.signal), 1e-30), 0.0)
    image = np.stack([unit[f] @ np.exp(2j * k[f] * d).T for f in range(len(k))])
    if len(k) > 1:
        turn = np.exp(2j * (k - middle) * LENGTHS_M[:, None])
        joined = np.abs(np.tensordot(turn, image, 1)).max(axis=2).sum(axis=1)
        image = image * turn[int(joined.argmax())][:, None, None]
        length = LENGTHS_M[int(joined.argmax())]
    else:
        length = 0.0
    nearest = coarse[np.abs(image.sum(axis=0)).argmax(axis=1)]
    way = length + np.hypot(scan.u_m - nearest[:, None], scan.h_m)
    turned = scan.signal * np.exp(2j * (k - middle)[:, None, None] * way)
    count = scan.heard.sum(axis=0)
    mean = turned.sum(axis=0) / np.maximum(count, 1)
    if len(k) > 1 and count.sum() > 2 * count.astype(bool).sum():
        # Enough channels a stop to see what each keeps beside the cable's straight line.
        for _ in range(2):
            apart = np.angle((turned * mean.conj()).sum(axis=(1, 2)))
            turned = turned * np.exp(-1j * apart)[:, None, None]
            mean = turned.sum(axis=0) / np.maximum(count, 1)
    return make_row(scan.u_m, scan.h_m, middle, mean, (count > 0).astype(np.float64), x)


def make_row(u_m: Floats, h_m: Floats, k: float, signal: Complex, heard: Floats, x_m: Floats) -> Row:
    """Return a row with what each tag alone says; the signal is brought to unit energy."""
    signal = signal * heard
    signal = signal / np.maximum(np.sqrt((np.abs(signal) ** 2).sum(axis=1, keepdims=True)), 1e-30)
    d = np.hypot(u_m - x_m[:, None], h_m)
    size = np.abs(signal)
    unit = np.where(size > 0, signal / np.maximum(size, 1e-30), 0.0)
    alone = x_m[np.abs(unit @ np.exp(2j * k * d).T).argmax(axis=1)]
    # RSSI against the distance law, the tag's own level taken out: a broad bump, but it has no side lobes.
    count = np.maximum(heard.sum(axis=1, keepdims=True), 1.0)
    level = np.where(heard > 0, np.log(np.maximum(size, 1e-30)), 0.0)
    law = -RSSI_SLOPE * np.log(d)
    left = (
        (level**2).sum(axis=1, keepdims=True) - 2.0 * level @ law.T + heard @ (law**2).T
        - (level.sum(axis=1, keepdims=True) - heard @ law.T) ** 2 / count
    )  # fmt: skip
    fade = FADE_DB * math.log(10.0) / 20.0
    prior = -0.5 * left / count * np.minimum(count, LEVELS) / fade**2
    return Row(
        u_m, h_m, k, np.asarray(signal, np.complex128), heard, x_m,
        prior - prior.max(axis=1, keepdims=True), alone,
    )  # fmt: skip
