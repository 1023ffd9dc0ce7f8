"""The joint fit of one shelf: its tags' offsets and the few scatterers that all of them share.

Every tag of a shelf radiates along the row to the same few pieces of metal, most of all to the uprights at its ends,
and these to the antenna. A tag by itself cannot tell such a reflection from another place; thirty tags that share two
reflections can, and once a reflection is known its phase ranges the tag against the metal. Scatterers are found by
matching pursuit (Mallat & Zhang, IEEE Trans. Signal Processing 41, 1993) on the phases that all tags have left, their
strengths by robust Gauss-Newton, and offsets by each tag's profile likelihood given the scatterers.

Unlike ``scatterers``, which wants every tag heard at every stop of a straight scan, this takes what a robot hears of
a shelf: a few dozen readings a tag, from several antennas and passes. Of RSSI only the weights use, since a chip's
answer grows less than the power it gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from localization.kernels import SCALE_PRIOR, STUDENT_NU
from localization.shelf_kernels import LEAST_FIELD, fields_at, pursue, scattered_profile
from localization.shelf_scan import ShelfScan
from localization.shelf_start import find_start

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

#: Where scatterers are looked for: so far beyond the shelf's ends, and behind the tags' plane.
BEYOND_M, SITE_STEP_M, SITE_DEPTHS_M = 0.3, 0.025, (-0.03, 0.02, 0.07)
#: A scatterer found is moved about on a finer grid, once all are found.
FINE_STEP_M, FINE_REACH_M = 0.01, 0.03
#: How far tags may move from round to round, but for the first and the last.
REACH_M = 0.1
#: Offsets tried, and the finer ones about the best.
STEP_M, FINE_OFFSET_M = 0.01, 0.002
#: A shelf has so many scatterers at most; one more must explain so much (twice the log-likelihood; four numbers).
MOST_SITES, LEAST_GAIN = 8, 20.0
#: Rounds with the metal at the ends alone.
FIRST_ROUNDS = 3
#: and with what an earlier fit found.
RESUMED_ROUNDS = 2
#: What is near an end is sooner taken to be there.
UPRIGHT_M, UPRIGHT_GAIN = 0.1, 10.0
#: Two scatterers nearer than this along the shelf are told apart badly.
APART_M, NEAR_SHARE = 0.05, 0.3
#: Fields of so many readings and points are held at once.
MOST_FIELDS = 2_000_000
#: Weight of "no scatterer" in witnesses: strengths are drawn to none.
RIDGE = 4.0
#: Gauss-Newton rounds after each change; a step moves a strength by at most this.
ROUNDS, MOST_STEP = 3, 0.3
#: Residual scales stay within, and what they are before anything is known.
SCALES_RAD, FIRST_SCALE_RAD = (0.05, 1.5), 0.6


@dataclass(frozen=True, slots=True)
class Sites:
    """Common scatterers: places (along, behind the tags' plane, above the floor; shape (s, 3)) and strengths (s,)."""

    place: Floats
    rho: Complex

    @classmethod
    def none(cls) -> Sites:
        """Return no scatterers."""
        return cls(np.zeros((0, 3)), np.zeros(0, np.complex128))

    def __len__(self) -> int:
        return len(self.rho)

    def moved(self, along_m: float) -> Sites:
        """Return them moved along the shelf."""
        return Sites(self.place + np.array([along_m, 0.0, 0.0]), self.rho)


def offsets_of(scan: ShelfScan, slack_m: float) -> Floats:
    """Return the offsets tried on a shelf, m, ``STEP_M`` apart, shape (x,)."""
    return np.arange(scan.from_m - slack_m, scan.to_m + slack_m + STEP_M, STEP_M)


class ShelfFit:
    """Fit of one shelf, as ``run`` leaves it.

    Parameters
    ----------
    scan : ShelfScan
    offset_m : float64 array, shape (i,)
        Where the tags were placed each by itself.
    log_prior : float64 array, shape (i, x)
        What else is known of each tag's offset, at ``offsets_of(scan, slack_m)``.
    slack_m : float

    Attributes
    ----------
    offset_m, scale_rad : float64 array, shape (i,)
    sites : Sites
    log_likelihood : float64 array, shape (i, x)
        Of the last search, prior included.
    again : type of ShelfFit or None
        What a shelf is fitted by instead, where such a fit is doubtful or not believed.
    """

    again: ClassVar[type[ShelfFit] | None] = None

    def __init__(self, scan: ShelfScan, offset_m: Floats, log_prior: Floats, slack_m: float) -> None:
        self.scan = scan
        self.slack_m = slack_m
        self.offset_m = offset_m.astype(np.float64)
        self.x = offsets_of(scan, slack_m)
        self.log_prior = log_prior
        self.sites = Sites.none()
        self.field: Complex = np.zeros((len(scan.u), 0), np.complex128)
        self.scale_rad = np.full(len(scan), FIRST_SCALE_RAD)
        self.owner = scan.owner
        self.groups = int(scan.group.max()) + 1 if len(scan.group) else 0
        self.waves, self.channel = self._waves()
        self.log_likelihood = np.zeros((len(scan), len(self.x)))

    def _waves(self) -> tuple[Floats, Ints]:
        """Return the wavenumbers (one way) that are told apart, and each observation's."""
        waves, channel = np.unique(self.scan.k, return_inverse=True)
        return np.asarray(waves, np.float64), np.asarray(channel, np.int64)

    def run(self, start: Sites | None = None) -> Self:
        """Begin, add scatterers while they explain anything, then settle them.

        Parameters
        ----------
        start : Sites, optional
            Where an earlier fit of nearly the same tags found them. None: begin from the metal at the ends.
        """
        if start is None:
            self.begin()
        else:
            self.resume(start)
        while len(self.sites) < MOST_SITES and self._add_anywhere():
            self.strengthen()
            self._move(REACH_M)
            self.strengthen()
        self.settle()
        self.search()
        self.strengthen()
        return self

    @property
    def left_rad(self) -> float:
        """Residual scale of the fit's tags, median, as of phases taken once."""
        fold = self.scan.fold[self.scan.start[:-1]]
        return float(np.median(2.0 * self.scale_rad / fold))

    @property
    def doubtful(self) -> bool:
        """Whether the fit is not worth asking tags held out."""
        return False

    def resume(self, start: Sites) -> None:
        """Take up what an earlier fit found, and place every tag by it."""
        self.give(start)
        for _ in range(RESUMED_ROUNDS):
            self._move(None)
            self.strengthen()

    def begin(self) -> None:
        """Find the metal at the shelf's ends, and each tag's place by it."""
        start = find_start(self.scan, self.log_prior, self.x)
        self.give(Sites(start.place, start.rho))
        for _ in range(FIRST_ROUNDS):
            self.search()
            self.strengthen()
        self.search()
        self.settle()
        self.search()
        self.strengthen()

    def some(self, tags: Ints) -> Self:
        """Return a fit of some of the tags, indices of shape (k,), from where they are, that knows no scatterers."""
        return type(self)(self.scan.select(tags), self.offset_m[tags], self.log_prior[tags], self.slack_m)

    def gain_of(self, parts: tuple[Ints, Ints]) -> Floats:
        """Return by how much the scatterers, their strengths fitted to one part of the tags, raise the others'.

        Log-likelihood each, at its best offset, shape (i,); both parts together are all tags.
        """
        gain = np.zeros(len(self.scan))
        for learn, judge in (parts, parts[::-1]):
            taught, other = self.some(learn), self.some(judge)
            taught.give(Sites(self.sites.place, self.sites.rho))
            taught.strengthen()
            value: list[Floats] = []
            for sites in (Sites.none(), taught.sites):
                other.give(sites)
                # Both at one scale, that of a tag with nothing explained: a better fit shows in the sum alone.
                if len(sites) == 0:
                    other.rescale()
                other.look()
                value.append(other.log_likelihood.max(axis=1))
            gain[judge] = value[1] - value[0]
        return gain

    def let_go(self) -> None:
        """Let go of what only further fitting needs, once the fit is done."""

    def fields(self, place: Floats) -> Complex:
        """Return the field at some points, shape (n, q)."""
        scan = self.scan
        out = np.zeros((len(scan.u), len(place)), np.complex128)
        fields_at(scan.u, scan.h, scan.z, scan.look, scan.k, scan.exponent, place, out)
        return out

    def give(self, sites: Sites) -> None:
        """Take scatterers that another fit found."""
        self.sites, self.field = sites, self.fields(sites.place)

    def _spots(self) -> Floats:
        n = len(self.scan)
        return np.stack([self.offset_m, np.zeros(n), np.full(n, self.scan.height_m)], axis=1)

    def shares(self) -> tuple[Complex, Complex]:
        """Return the direct field, shape (n,), and each scatterer's at unit strength, shape (n, s)."""
        scan, spots = self.scan, self._spots()[self.owner]
        du, dh, dz = spots[:, 0] - scan.u, -(scan.h + spots[:, 1]), spots[:, 2] - scan.z
        d = np.sqrt(du * du + dh * dh + dz * dz) + 1e-9
        cosine = np.maximum((scan.look * np.stack([du, dh, dz], axis=1)).sum(axis=1) / d, 1e-3)
        direct = np.maximum(cosine**scan.exponent, LEAST_FIELD) / d * np.exp(-1j * scan.k * d)
        way = np.sqrt(((spots[:, None] - self.sites.place) ** 2).sum(axis=2))
        return direct, self.field * np.exp(-1j * scan.k[:, None] * way)

    def residual(self, model: Complex) -> Floats:
        """Return what the model leaves of the phases, each group's circular mean taken out, shape (n,)."""
        scan = self.scan
        left = scan.phase + scan.fold * np.angle(model)
        mean = np.bincount(scan.group, scan.weight * np.cos(left), self.groups) + 1j * np.bincount(
            scan.group, scan.weight * np.sin(left), self.groups
        )
        left = left - np.angle(mean)[scan.group]
        return np.asarray(left - 2 * np.pi * np.round(left / (2 * np.pi)), np.float64)

    def robust(self, residual: Floats) -> Floats:
        """Learn each tag's residual scale, and return the weights of a Student-t, shape (n,)."""
        weight, owner, n = self.scan.weight, self.owner, len(self.scan)
        total = np.bincount(owner, weight, n)
        scale = self.scale_rad
        for _ in range(4):
            share = (STUDENT_NU + 1.0) / (STUDENT_NU + (residual / scale[owner]) ** 2)
            square = np.bincount(owner, weight * share * residual**2, n)
            usual = square.sum() / max(total.sum(), 1e-9)
            scale = np.sqrt((square + SCALE_PRIOR * usual) / (total + SCALE_PRIOR)).clip(*SCALES_RAD)
        self.scale_rad = scale
        spread = scale[owner]
        return weight * (STUDENT_NU + 1.0) / (STUDENT_NU + (residual / spread) ** 2) / spread**2

    def rescale(self) -> None:
        """Learn each tag's residual scale, offsets and scatterers as they are."""
        direct, share = self.shares()
        self.robust(self.residual(direct + share @ self.sites.rho))

    def strengthen(self) -> None:
        """Fit the scatterers' strengths, offsets as they are."""
        scan, count = self.scan, len(self.sites)
        rho = self.sites.rho
        for _ in range(ROUNDS):
            direct, share = self.shares()
            model = direct + share @ rho
            residual = self.residual(model)
            weight = self.robust(residual)
            turn = scan.fold[:, None] * share / model[:, None]
            slope = self._centred(np.concatenate([turn.imag, turn.real], axis=1), weight)
            normal = (slope * weight[:, None]).T @ slope + RIDGE * np.eye(2 * count)
            pull = -(slope * weight[:, None]).T @ residual - RIDGE * np.concatenate([rho.real, rho.imag])
            step = np.linalg.solve(normal, pull)
            step = step[:count] + 1j * step[count:]
            rho = rho + 0.8 * step * np.minimum(1.0, MOST_STEP / np.maximum(np.abs(step), 1e-9))
            self.sites = Sites(self.sites.place, rho)

    def _centred(self, value: Floats, weight: Floats) -> Floats:
        group, total = self.scan.group, np.bincount(self.scan.group, weight, self.groups)
        out = value.copy()
        for column in range(value.shape[1]):
            mean = np.bincount(group, weight * value[:, column], self.groups) / np.maximum(total, 1e-12)
            out[:, column] -= mean[group]
        return out

    def _grid(self) -> Floats:
        """Return where scatterers are looked for, shape (q, 3)."""
        scan = self.scan
        along = np.arange(scan.from_m - BEYOND_M, scan.to_m + BEYOND_M, SITE_STEP_M)
        return np.array([(a, b, scan.height_m) for a in along for b in SITE_DEPTHS_M])

    def _add_anywhere(self) -> bool:
        """Add the scatterer that explains most; tell whether any explains enough."""
        return self._add(self._grid(), LEAST_GAIN)

    def _most(self, grid: Floats, gain: Floats, least: float, wide: bool) -> int | None:
        """Return the place of the grid that explains most; None: too little. ``wide``: sooner at the shelf's ends."""
        if wide:
            ends = np.minimum(np.abs(grid[:, 0] - self.scan.from_m), np.abs(grid[:, 0] - self.scan.to_m))
            gain = gain + UPRIGHT_GAIN * (ends < UPRIGHT_M)
        for known in self.sites.place[:, 0]:
            gain = gain * np.where(np.abs(grid[:, 0] - known) < APART_M, NEAR_SHARE, 1.0)
        best = int(gain.argmax())
        return best if gain[best] >= least else None

    def _add(self, grid: Floats, least: float, wide: bool = True) -> bool:
        """Add the scatterer of the grid that explains most; ``wide``: anywhere, and sooner at the shelf's ends."""
        scan = self.scan
        direct, share = self.shares()
        model = direct + share @ self.sites.rho
        residual = self.residual(model)
        gain, weight, spots = np.zeros(len(grid)), self.robust(residual), self._spots()
        # A stretch of the grid at once: a long shelf's fields would not fit.
        most = max(MOST_FIELDS // max(len(scan.u), 1), 1)
        for first in range(0, len(grid), most):
            part = grid[first : first + most]
            pursue(
                scan.start, scan.group, self.groups, scan.k, scan.fold, weight, residual, model, spots, part,
                self.fields(part), RIDGE, gain[first : first + most],
            )  # fmt: skip
        best = self._most(grid, gain, least, wide)
        if best is None:
            return False
        self.sites = Sites(np.vstack([self.sites.place, grid[best]]), np.append(self.sites.rho, 0.0))
        self.field = np.concatenate([self.field, self.fields(grid[best : best + 1])], axis=1)
        return True

    def settle(self) -> None:
        """Take each scatterer out once and put it back where, nearby, it explains most."""
        near = np.arange(-FINE_REACH_M, FINE_REACH_M + 1e-9, FINE_STEP_M)
        moves = np.array([(a, b, 0.0) for a in near for b in near])
        for _ in range(len(self.sites)):
            place, rho = self.sites.place[0], self.sites.rho[0]
            self.sites = Sites(self.sites.place[1:], self.sites.rho[1:])
            self._drop()
            self._put_back(place + moves)
            self.sites = Sites(self.sites.place, np.append(self.sites.rho[:-1], rho))
            self.strengthen()

    def _drop(self) -> None:
        """Forget the field at the first scatterer."""
        self.field = self.field[:, 1:]

    def _put_back(self, grid: Floats) -> None:
        """Add the scatterer of a small grid that explains most, however little."""
        self._add(grid, -np.inf, wide=False)

    def profile(self, first_m: Floats, step_m: float, count: int) -> Floats:
        """Return each tag's log-likelihood at ``count`` offsets from its own first one, shape (i, count)."""
        scan, sites = self.scan, self.sites
        low = float(first_m.min()) if len(first_m) else 0.0
        begin = low + step_m * np.round((first_m - low) / step_m)
        number = round((float(begin.max()) - low) / step_m) + count if len(first_m) else count
        x = low + step_m * np.arange(number)
        spots = np.stack([x, np.zeros(number), np.full(number, scan.height_m)], axis=1)
        way = np.sqrt(((spots[:, None] - sites.place) ** 2).sum(axis=2))
        angle = self.waves[:, None, None] * np.ascontiguousarray(way.T)
        link_re, link_im = np.cos(angle).astype(np.float32), -np.sin(angle).astype(np.float32)
        out = np.zeros((len(scan), count))
        scattered_profile(
            scan.start, scan.u, scan.h, scan.z, scan.look, scan.k, scan.exponent, scan.fold, scan.phase, scan.weight,
            scan.group, self.channel, scan.height_m, self.scale_rad, begin, step_m, link_re, link_im, low,
            self.field * sites.rho, out,
        )  # fmt: skip
        return out

    def look(self) -> None:
        """Take stock of every tag's log-likelihood over the shelf, scatterers given; nothing is moved."""
        first = np.full(len(self.scan), self.x[0])
        self.log_likelihood = self.profile(first, STEP_M, len(self.x)) + self.log_prior

    def _move(self, reach_m: float | None) -> None:
        """Place every tag about as ``search`` does: no finer than what follows needs."""
        self.search(reach_m)

    def search(self, reach_m: float | None = None) -> None:
        """Place every tag where, scatterers given, its phases and what else is known fit best.

        With ``reach_m`` no farther from where it is; ``log_likelihood`` then stays as it was.
        """
        if reach_m is None:
            self.look()
            best = self.x[self.log_likelihood.argmax(axis=1)]
        else:
            half = min(round(reach_m / STEP_M), (len(self.x) - 1) // 2)
            middle = np.clip(
                np.round((self.offset_m - self.x[0]) / STEP_M).astype(np.int64), half, len(self.x) - 1 - half
            )
            column = (middle - half)[:, None] + np.arange(2 * half + 1)
            near = self.profile(self.x[middle - half], STEP_M, 2 * half + 1)
            near = near + np.take_along_axis(self.log_prior, column, axis=1)
            best = self.x[middle - half + near.argmax(axis=1)]
        fine = self.profile(best - STEP_M, FINE_OFFSET_M, 2 * round(STEP_M / FINE_OFFSET_M) + 1)
        self.offset_m = best - STEP_M + FINE_OFFSET_M * fine.argmax(axis=1)
