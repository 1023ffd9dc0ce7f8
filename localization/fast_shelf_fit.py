"""The joint fit of a shelf, many times as fast: what ``shelf_fit`` does, with fields kept and in single precision.

The same model and steps. The field of every antenna place at every site and offset is computed once a shelf;
what changes from round to round is a product with the sites' strengths. Readings whose wavenumbers differ by less than
``BIN_PER_M`` share the turn of phase between tags and sites. Between the first and the last search offsets are told by
a parabola through the best of the coarse ones.
"""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt

from localization.fast_shelf_fields import (
    fields_of_few,
    fields_single,
    known_single,
    links_single,
    links_to_few,
)
from localization.fast_shelf_kernels import profile_single, pursue_single, summits
from localization.fast_shelf_strengths import left_single, residual_single, robust_single, strengthen_single
from localization.shelf_fit import (
    FINE_OFFSET_M,
    FIRST_SCALE_RAD,
    LEAST_GAIN,
    MOST_STEP,
    RIDGE,
    ROUNDS,
    SCALES_RAD,
    STEP_M,
    ShelfFit,
    Sites,
)
from localization.shelf_scan import ShelfScan

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]
Pair = tuple[Singles, Singles]

#: Wavenumbers (one way) this near to one another are one, for the turn between tags and sites.
BIN_PER_M = 0.02
#: Fields of so many readings and points are kept; a longer shelf's are computed as they are needed.
MOST_KEPT = 12_000_000
#: Offsets and points are handled so many at once: each one left over of a vector costs as much as ten in vectors.
LANES = 8


def _parts(value: Complex) -> Pair:
    """Return real and imaginary part in single precision."""
    return np.ascontiguousarray(value.real, np.float32), np.ascontiguousarray(value.imag, np.float32)


def _empty(*shape: int) -> Pair:
    return np.empty(shape, np.float32), np.empty(shape, np.float32)


def _whole(number: int) -> int:
    """Return a number rounded up to whole vectors."""
    return -(-number // LANES) * LANES


def _filled(grid: Floats) -> Floats:
    """Return some points, the last one again and again until vectors are full: of equals the first is taken."""
    return np.concatenate([grid, np.repeat(grid[-1:], _whole(len(grid)) - len(grid), axis=0)])


def _begins(group: Ints) -> Ints:
    """Return where each group's readings begin, and where the last one's end."""
    cuts = np.flatnonzero(group[1:] != group[:-1]) + 1
    return np.concatenate([[0], cuts, [len(group)]]) if len(group) else np.zeros(1, np.int64)


class FastShelfFit(ShelfFit):
    """Fit of one shelf; parameters and attributes are those of ``ShelfFit``, but for ``field``, which it has not."""

    def __init__(self, scan: ShelfScan, offset_m: Floats, log_prior: Floats, slack_m: float) -> None:
        super().__init__(scan, offset_m, log_prior, slack_m)
        n = len(scan.u)
        self._group_start = _begins(scan.group)
        self._four = scan.fold > 3.0
        self._u = (scan.u - scan.from_m).astype(np.float32)
        self._h, self._z = scan.h.astype(np.float32), (scan.z - scan.height_m).astype(np.float32)
        self._look, self._exponent = scan.look.T.astype(np.float32, "C"), scan.exponent.astype(np.float32)
        self._turns = (scan.k / (2 * np.pi)).astype(np.float32)
        self._heard = np.cos(scan.phase).astype(np.float32), np.sin(scan.phase).astype(np.float32)
        self._weight = scan.weight.astype(np.float32)
        self._bin_turns = (self.waves / (2 * np.pi)).astype(np.float32)
        # The field at every offset tried and at the sites looked at, once it is known; that at each scatterer, (s, n).
        self._direct: Pair | None = None
        self._sites: tuple[Floats, Pair | None] | None = None
        self._far: Pair = _empty(0, n)

    def _waves(self) -> tuple[Floats, Ints]:
        """Return the wavenumbers (one way) that are told apart, and each observation's."""
        k = self.scan.k
        low = float(k.min()) if len(k) else 0.0
        step = np.round((k - low) / BIN_PER_M).astype(np.int64)
        known = np.flatnonzero(np.bincount(step)) if len(k) else step
        number = np.zeros(int(step.max(initial=0)) + 1, np.int64)
        number[known] = np.arange(len(known))
        return np.asarray(low + BIN_PER_M * known, np.float64), number[step]

    def gain_of(self, parts: tuple[Ints, Ints]) -> Floats:
        """Return by how much the scatterers, their strengths fitted to one part of the tags, raise the others'.

        Log-likelihood each, at its best offset, shape (i,); both parts together are all tags. A part is told by the
        weights: readings of none leave no trace in strengths and scales.
        """
        tags, (direct, share) = len(self.scan), self._known()
        rho, scale = np.empty((len(self.sites), tags), np.complex128), np.empty(tags)
        spare, blank = np.empty(len(self._u), np.float32), _empty(0, len(self._u))
        for learn, judge in (parts, parts[::-1]):
            taught, found = np.full(tags, FIRST_SCALE_RAD), self.sites.rho.copy()
            self._strengthened(
                direct, share, np.where(self._among(learn), self._weight, np.float32(0.0)), found, taught
            )
            rho[:, judge] = found[:, None]
            # Both at one scale, that of a tag with nothing explained: a better fit shows in the sum alone.
            heard = np.where(self._among(judge), self._weight, np.float32(0.0))
            own = np.full(tags, FIRST_SCALE_RAD)
            left_single(
                self.scan.start, self._group_start, self._four, *self._heard, heard, *direct, *blank,
                np.zeros(0, np.complex128), own, *SCALES_RAD, *_empty(len(spare)), spare, np.empty_like(spare),
            )  # fmt: skip
            scale[judge] = own[judge]
        bare = copy.copy(self)
        bare.scale_rad = scale
        full = copy.copy(bare)
        bare.give(Sites.none())
        bare.look()
        full.look(rho)
        return np.asarray(full.log_likelihood.max(axis=1) - bare.log_likelihood.max(axis=1), np.float64)

    def _among(self, tags: Ints) -> npt.NDArray[np.bool_]:
        """Tell which readings are of some tags."""
        mine = np.zeros(len(self.scan), np.bool_)
        mine[tags] = True
        return mine[self.owner]

    def let_go(self) -> None:
        """Let go of the fields that are kept: megabytes, which the next fit writes over while they are near."""
        self._direct, self._sites = None, None

    def _fields(self, along_m: Floats, behind_m: Floats, row: Ints | None = None) -> Pair:
        """Return the field at points of the shelf's height, shape (n, q); ``row``: which set of points is whose."""
        along = np.atleast_2d(along_m - self.scan.from_m).astype(np.float32)
        behind = np.zeros(along.shape, np.float32)
        behind[:] = behind_m
        out = _empty(len(self._u), along.shape[1])
        fields_single(
            self._u, self._h, self._z, self._look, self._turns, self._exponent, along, behind,
            np.zeros(along.shape, np.float32), np.zeros(len(self._u), np.int64) if row is None else row, *out,
        )  # fmt: skip
        return out

    def _spots_of(self, place: Floats) -> tuple[Singles, Singles, Singles]:
        """Return points beyond the shelf's left end, behind the tags' plane and over the tags."""
        scan = self.scan
        return (
            (place[:, 0] - scan.from_m).astype(np.float32),
            place[:, 1].astype(np.float32),
            (place[:, 2] - scan.height_m).astype(np.float32),
        )

    def _links(self, from_m: Floats, place: Floats) -> Pair:
        """Return the turn of phase from offsets to places, shape (bins, offsets, places)."""
        along, behind, rise = self._spots_of(place)
        out = _empty(len(self._bin_turns), len(from_m), len(place))
        begin = (from_m - self.scan.from_m).astype(np.float32)
        links_single(self._bin_turns, begin, behind, along, rise, *out)
        return out

    def _far_fields(self, place: Floats) -> Pair:
        """Return the field at some points, shape (q, n)."""
        out = _empty(len(place), len(self._u))
        fields_of_few(
            self._u, self._h, self._z, self._look, self._turns, self._exponent, *self._spots_of(place), *out
        )
        return out

    def fields(self, place: Floats) -> Complex:
        """Return the field at some points, shape (n, q)."""
        re, im = self._far_fields(place)
        return (re + 1j * im).T.astype(np.complex128)

    def give(self, sites: Sites) -> None:
        """Take scatterers that another fit found."""
        self.sites, self._far = sites, self._far_fields(sites.place)

    def _drop(self) -> None:
        """Forget the field at the first scatterer."""
        self._far = self._far[0][1:], self._far[1][1:]

    def _add_anywhere(self) -> bool:
        """Add the scatterer that explains most; tell whether any explains enough."""
        return self._take(*self._kept_grid(), LEAST_GAIN)

    def _kept_grid(self) -> tuple[Floats, Pair | None]:
        """Return where scatterers are looked for, and the field there; None: too much to be kept."""
        if self._sites is None:
            grid = _filled(self._grid())
            kept = len(self._u) * len(grid) <= MOST_KEPT
            self._sites = grid, self._fields(grid[:, 0], grid[:, 1]) if kept else None
        return self._sites

    def _known(self) -> tuple[Pair, Pair]:
        """Return the direct field, shape (n,), and each scatterer's at unit strength, shape (s, n)."""
        n = len(self._u)
        direct, share = _empty(n), _empty(len(self.sites), n)
        known_single(
            self.scan.start, self._u, self._h, self._z, self._look, self._turns, self._exponent, self._bin_turns,
            self.channel, (self.offset_m - self.scan.from_m).astype(np.float32), *self._spots_of(self.sites.place),
            *self._far, *direct, *share,
        )  # fmt: skip
        return direct, share

    def shares(self) -> tuple[Complex, Complex]:
        """Return the direct field, shape (n,), and each scatterer's at unit strength, shape (n, s)."""
        direct, share = ((re + 1j * im).astype(np.complex128) for re, im in self._known())
        return direct, share.T

    def residual(self, model: Complex) -> Floats:
        """Return what the model leaves of the phases, each group's circular mean taken out, shape (n,)."""
        out = np.empty(len(self._u), np.float32)
        residual_single(self._group_start, self._four, *self._heard, self._weight, *_parts(model), out)
        return out.astype(np.float64)

    def robust(self, residual: Floats) -> Floats:
        """Learn each tag's residual scale, and return the weights of a Student-t, shape (n,)."""
        out, scale = np.empty(len(residual), np.float32), self.scale_rad.copy()
        robust_single(self.scan.start, self._weight, residual.astype(np.float32), scale, *SCALES_RAD, out)
        self.scale_rad = scale
        return out.astype(np.float64)

    def _left(self) -> tuple[Pair, Singles, Singles]:
        """Return the model, what it leaves of the phases, and their weights; learn residual scales of it."""
        n = len(self._u)
        model, residual, weight = _empty(n), np.empty(n, np.float32), np.empty(n, np.float32)
        direct, share = self._known()
        scale = self.scale_rad.copy()
        left_single(
            self.scan.start, self._group_start, self._four, *self._heard, self._weight, *direct, *share,
            self.sites.rho, scale, *SCALES_RAD, *model, residual, weight,
        )  # fmt: skip
        self.scale_rad = scale
        return model, residual, weight

    def rescale(self) -> None:
        """Learn each tag's residual scale, offsets and scatterers as they are."""
        self._left()

    def strengthen(self) -> None:
        """Fit the scatterers' strengths, offsets as they are."""
        direct, share = self._known()
        rho, scale = self.sites.rho.copy(), self.scale_rad.copy()
        self._strengthened(direct, share, self._weight, rho, scale)
        self.scale_rad = scale
        self.sites = Sites(self.sites.place, rho)

    def _strengthened(
        self, direct: Pair, share: Pair, weight: Singles, rho: Complex, scale_rad: Floats
    ) -> None:
        """Fit strengths and scales, both in place, to readings of such weights."""
        strengthen_single(
            self.scan.start, self._group_start, self._four, *self._heard, weight, *direct, *share, rho, scale_rad,
            *SCALES_RAD, RIDGE, MOST_STEP, ROUNDS,
        )  # fmt: skip

    def _take(self, grid: Floats, field: Pair | None, least: float, wide: bool = True) -> bool:
        """Add the scatterer of the grid that explains most; ``wide``: anywhere, and sooner at the shelf's ends."""
        model, residual, weight = self._left()
        gain = np.zeros(len(grid))
        most = len(grid) if field is not None else max(MOST_KEPT // max(len(self._u), 1), 1)
        for first in range(0, len(grid), most):
            part = grid[first : first + most]
            here = self._fields(part[:, 0], part[:, 1]) if field is None else field
            pursue_single(
                self.owner, self._group_start, self.channel, self._four, weight, residual, *model, *here,
                *self._links(self.offset_m, part), RIDGE, gain[first : first + most],
            )  # fmt: skip
        best = self._most(grid, gain, least, wide)
        if best is None:
            return False
        self.sites = Sites(np.vstack([self.sites.place, grid[best]]), np.append(self.sites.rho, 0.0))
        if field is None:
            one = self._far_fields(grid[best : best + 1])
        else:
            one = field[0][:, best][None], field[1][:, best][None]
        self._far = np.concatenate([self._far[0], one[0]]), np.concatenate([self._far[1], one[1]])
        return True

    def _put_back(self, grid: Floats) -> None:
        """Add the scatterer of a small grid that explains most, however little."""
        grid = _filled(grid)
        self._take(grid, self._fields(grid[:, 0], grid[:, 1]), -np.inf, wide=False)

    def _profile(
        self, direct: Pair, first: Ints, x_m: Floats, first_x: Ints, count: int, rho: Complex | None
    ) -> Floats:
        """Return each tag's log-likelihood at ``count`` offsets.

        Columns of ``direct`` from ``first`` on are those of the offsets ``x_m`` from ``first_x`` on; ``rho``: the
        scatterers' strengths for each tag, shape (s, i), if they are not the same for all.
        """
        scan, out = self.scan, np.empty((len(self.scan), count))
        along, behind, rise = self._spots_of(self.sites.place)
        link = _empty(len(self._bin_turns), len(along), len(x_m))
        links_to_few(self._bin_turns, (x_m - scan.from_m).astype(np.float32), behind, along, rise, *link)
        profile_single(
            scan.start, scan.group, self.channel, self._four, *self._heard, self._weight, self.scale_rad, first,
            *direct, first_x, *link, *self._far, self.sites.rho[:, None] if rho is None else rho, out,
        )  # fmt: skip
        return out

    def _own(self, first_m: Floats, step_m: float, count: int, rho: Complex | None = None) -> Floats:
        """Return each tag's log-likelihood at ``count`` offsets from its own first one, shape (i, count)."""
        tags, wide = len(first_m), _whole(count)
        tried = first_m[:, None] + step_m * np.arange(wide)
        direct = self._fields(tried, np.zeros((tags, 1)), self.owner)
        none = np.zeros(tags, np.int64)
        return self._profile(direct, none, tried.ravel(), wide * np.arange(tags), wide, rho)[:, :count]

    def _near(self, first: Ints, count: int, rho: Complex | None = None) -> Floats:
        """Return each tag's log-likelihood at ``count`` of the offsets tried and some more, from its ``first`` on."""
        # A few offsets beyond the last, so that whole vectors can be taken from anywhere.
        x = self.x[0] + STEP_M * np.arange(_whole(len(self.x)) + LANES)
        if len(self._u) * len(x) > MOST_KEPT:
            most = max(MOST_KEPT // max(len(self._u), 1), 1)
            parts = [
                self._own(self.x[first] + STEP_M * low, STEP_M, min(most, count - low), rho)
                for low in range(0, count, most)
            ]
            return np.concatenate(parts, axis=1)
        if self._direct is None:
            self._direct = self._fields(x, np.zeros(len(x)))
        return self._profile(self._direct, first, x, first, _whole(count), rho)

    def look(self, rho: Complex | None = None) -> None:
        """Take stock of every tag's log-likelihood over the shelf, scatterers given; nothing is moved.

        ``rho``: their strengths for each tag, shape (s, i); None: those that are known.
        """
        count = len(self.x)
        value = self._near(np.zeros(len(self.scan), np.int64), count, rho)
        self.log_likelihood = value[:, :count] + self.log_prior

    def _move(self, reach_m: float | None) -> None:
        """Place every tag about as ``search`` does."""
        tags, x = len(self.scan), self.x
        if reach_m is None:
            first, count = np.zeros(tags, np.int64), len(x)
        else:
            half = min(round(reach_m / STEP_M), (len(x) - 1) // 2)
            middle = np.round((self.offset_m - x[0]) / STEP_M).astype(np.int64)
            first, count = np.clip(middle, half, len(x) - 1 - half) - half, 2 * half + 1
        value, at = self._near(first, count), np.empty(tags)
        summits(value, count, self.log_prior, first, at)
        if reach_m is None:
            self.log_likelihood = value[:, :count]
        self.offset_m = x[0] + STEP_M * at

    def search(self, reach_m: float | None = None) -> None:
        """Place every tag where, scatterers given, its phases and what else is known fit best.

        With ``reach_m`` no farther from where it is; ``log_likelihood`` then stays as it was.
        """
        self._move(reach_m)
        first = np.round((self.offset_m - self.x[0]) / STEP_M) * STEP_M + self.x[0] - STEP_M
        number = 2 * round(STEP_M / FINE_OFFSET_M) + 1
        self.offset_m = first + FINE_OFFSET_M * self._own(first, FINE_OFFSET_M, number).argmax(axis=1)
