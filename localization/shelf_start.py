"""Where the joint fit of a shelf starts: the metal at its ends, whatever places its tags were given before.

Metal as strong as the direct way bends a tag's phases so far that by itself it lands anywhere, and scatterers sought
among tags at wrong places are wrong as well. But the strongest metal stands at a shelf's ends, and there the two
strengths are all that is unknown: a few hundred guesses, each judged by all tags at once and by all places that each
of them may have, lead to the same best pair from nearly everywhere. The places themselves follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.shelf_kernels import LEAST_FIELD, fields_at
from localization.shelf_scan import ShelfScan
from localization.shelf_start_kernels import by_way_of, guess_strengths

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

#: Where the metal at an end is put: so far beyond it, and behind the tags' plane. A centimetre or two more or less
#: turns its strength's phase, nearly alike for all tags.
BEYOND_M, BEHIND_M = 0.015, 0.02
#: Offsets tried: a fifth of what phases repeat after, so far to either side of where a tag was heard best.
STEP_M, ABOUT_M = 0.015, 0.6
#: Offsets are handled so many at once; log-chance of those beyond the last.
LANES, NOWHERE = 8, -1e30
#: So many of the best heard tags tell; and of each so many readings.
MOST_TAGS, MOST_READINGS = 40, 64
#: Sizes of a strength that are guessed, each at so many phases.
RINGS = ((0.3, 6), (0.6, 10), (0.95, 12))
#: What clock, mounts and odometry may be off by along the face, which moves both ends alike, and its usual size.
SHIFTS_M, SHIFT_SIGMA_M = (0.0, -0.06, 0.06), 0.04
#: Rounds over both ends, and the steps by which the best guess is then moved.
ROUNDS, MOVES = 6, (0.2, 0.1, 0.05)


@dataclass(frozen=True, slots=True)
class Start:
    """The metal at a shelf's ends.

    Attributes
    ----------
    place : float64 array, shape (2, 3)
        Along, behind the tags' plane, above the floor.
    rho : complex128 array, shape (2,)
    value : float
        Log-likelihood, up to a constant of the shelf.
    """

    place: Floats
    rho: Complex
    value: float


def find_start(
    scan: ShelfScan, log_prior: Floats, x: Floats, shifts_m: tuple[float, ...] = SHIFTS_M
) -> Start:
    """Find the strengths of the metal at a shelf's ends.

    Parameters
    ----------
    scan : ShelfScan
    log_prior : float64 array, shape (i, x)
        What else is known of each tag's offset, at the equidistant offsets ``x``.
    x : float64 array, shape (x,)
    shifts_m : tuple of float
        By how much both ends may be shifted along the face.
    """
    ends = np.array([scan.from_m - BEYOND_M, scan.to_m + BEYOND_M])
    place = np.stack([ends, np.full(2, BEHIND_M), np.full(2, scan.height_m)], axis=1)
    guesses = _Guesses(scan, log_prior, x)
    none = np.zeros(2, np.complex128)
    best = Start(place, none, -math.inf)
    for shift in shifts_m:
        moved = place + np.array([shift, 0.0, 0.0])
        rho, value = guesses.climb(moved, none)
        value -= 0.5 * (shift / SHIFT_SIGMA_M) ** 2
        if value > best.value:
            best = Start(moved, rho, value)
    return best


class _Guesses:
    """The log-likelihood of the strengths of some scatterers at known places."""

    def __init__(self, scan: ShelfScan, log_prior: Floats, x: Floats) -> None:
        tags = _telling(scan)
        first, columns = _windows(log_prior[tags], x)
        self._scan = scan = _thinned(scan.select(tags))
        # In whole vectors; no tag stands at what fills the last one.
        tried = first[:, None] + STEP_M * np.arange(-(-columns // LANES) * LANES)
        at = np.round((tried - x[0]) / (x[1] - x[0])).astype(np.int64)
        prior = np.take_along_axis(log_prior[tags], np.clip(at, 0, len(x) - 1), axis=1)
        prior[:, columns:] = NOWHERE
        self._offset = tried[scan.owner]
        du, dz, h = self._offset - scan.u[:, None], (scan.height_m - scan.z)[:, None], scan.h[:, None]
        d = np.sqrt(du**2 + h**2 + dz**2) + 1e-9
        cosine = (du * scan.look[:, :1] - h * scan.look[:, 1:2] + dz * scan.look[:, 2:]) / d
        gain = np.maximum(np.maximum(cosine, 1e-3) ** scan.exponent[:, None], LEAST_FIELD) / d
        self._turn = np.exp(1j * scan.phase / scan.fold)[:, None]
        self._direct = _parts(
            np.asarray(gain * np.exp(-1j * scan.k[:, None] * d), np.complex128) * self._turn
        )
        self._prior = prior.astype(np.float32)
        self._share = _parts(np.zeros((0, len(scan.u), tried.shape[1]), np.complex128))
        self._four = scan.fold > 3.0

    def __call__(self, rho: Complex) -> Floats:
        """Return the log-likelihood of each guess, shape (guesses,)."""
        scan, value = self._scan, np.zeros(len(rho))
        guess_strengths(
            scan.start, scan.group, scan.weight.astype(np.float32), self._four,
            *self._direct, *self._share, self._prior,
            np.ascontiguousarray(rho, np.complex128), value,
        )  # fmt: skip
        return value

    def _put(self, place: Floats) -> None:
        """Put the scatterers at some places."""
        scan = self._scan
        field = np.zeros((len(scan.u), len(place)), np.complex128)
        fields_at(scan.u, scan.h, scan.z, scan.look, scan.k, scan.exponent, place, field)
        across = np.hypot(place[:, 1], place[:, 2] - scan.height_m)
        shape = len(place), *self._offset.shape
        self._share = np.empty(shape, np.float32), np.empty(shape, np.float32)
        turned = np.ascontiguousarray((field * self._turn).T)
        by_way_of(self._offset, scan.k / (2 * np.pi), place[:, 0].copy(), across, turned, *self._share)

    def climb(self, place: Floats, rho: Complex) -> tuple[Complex, float]:
        """Go uphill from a guess: one end after the other anywhere, then both by small steps."""
        self._put(place)
        anywhere = np.concatenate(
            [[0.0]] + [size * np.exp(2j * np.pi * np.arange(many) / many) for size, many in RINGS]
        )
        value = -math.inf
        for _ in range(ROUNDS):
            before = value
            for end in range(len(rho)):
                tried = np.repeat(rho[None], len(anywhere), axis=0)
                tried[:, end] = anywhere
                rho, value = self._better(rho, value, tried)
            if value <= before:
                break
        around = np.exp(2j * np.pi * np.arange(8) / 8)
        for step in MOVES:
            for end in (0, 1, 0, 1):
                tried = np.repeat(rho[None], len(around), axis=0)
                tried[:, end] += step * around
                rho, value = self._better(rho, value, tried)
        return rho, value

    def _better(self, rho: Complex, value: float, tried: Complex) -> tuple[Complex, float]:
        found = self(tried)
        best = int(found.argmax())
        return (tried[best], float(found[best])) if found[best] > value else (rho, value)


def _parts(value: Complex) -> tuple[Floats32, Floats32]:
    """Return real and imaginary part in single precision, each in one piece."""
    return value.real.astype(np.float32), value.imag.astype(np.float32)


def _telling(scan: ShelfScan) -> Ints:
    """Return the tags that tell most, in order."""
    total = np.bincount(scan.owner, scan.weight, len(scan))
    return np.sort(np.argsort(-total, kind="stable")[:MOST_TAGS])


def _windows(log_prior: Floats, x: Floats) -> tuple[Floats, int]:
    """Return where each tag's offsets begin, about where it is likeliest by what else is known, and their number."""
    columns = int(min(2 * ABOUT_M, x[-1] - x[0]) / STEP_M) + 1
    about = x[log_prior.argmax(axis=1)] - 0.5 * STEP_M * (columns - 1)
    return np.clip(about, x[0], max(x[-1] - STEP_M * (columns - 1), x[0])), columns


def _thinned(scan: ShelfScan) -> ShelfScan:
    """Take every nth reading of a tag that has many; each stands for its neighbours."""
    size = np.diff(scan.start)
    every = np.maximum(-(-size // MOST_READINGS), 1)[scan.owner]
    place = np.arange(len(scan.u)) - np.repeat(scan.start[:-1], size)
    return scan.of_rows(place % every == 0, every)
