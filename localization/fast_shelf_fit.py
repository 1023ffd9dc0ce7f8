"""The joint fit of a shelf, many times as fast: what ``shelf_fit`` does, with fields kept and in single precision.

The same model and steps. The field of every antenna place at every site and offset is computed once a shelf;
what changes from round to round is a product with the sites' strengths. Readings whose wavenumbers differ by less than
``BIN_PER_M`` share the turn of phase between tags and sites. Between the first and the last search offsets are told by
a parabola through the best of the coarse ones.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from localization.fast_shelf_kernels import fields_single, links_single, profile_single, pursue_single
from localization.fast_shelf_strengths import (
    model_single,
    residual_single,
    robust_single,
    shares_single,
    strengthen_single,
)
from localization.shelf_fit import (
    FINE_OFFSET_M,
    FIRST_ROUNDS,
    LEAST_GAIN,
    MOST_STEP,
    REACH_M,
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
#: Scatterers that are pursued among tags still at wrong places, whatever they explain.
FIRST_SITES = 2
#: Right fits leave a median residual scale of 0.15 to 0.3 rad (simulated libraries of usual trouble), wrong ones more.
ROUGH_RAD = 0.35
#: Offsets are handled so many at once: what is left over of a vector costs as much as a whole one.
LANES = 8


def _parts(value: Complex) -> Pair:
    """Return real and imaginary part in single precision."""
    return np.ascontiguousarray(value.real, np.float32), np.ascontiguousarray(value.imag, np.float32)


class FastShelfFit(ShelfFit):
    """Fit of one shelf; parameters and attributes are those of ``ShelfFit``."""

    def __init__(self, scan: ShelfScan, offset_m: Floats, log_prior: Floats, slack_m: float) -> None:
        super().__init__(scan, offset_m, log_prior, slack_m)
        n = len(scan.u)
        cuts = np.flatnonzero(np.diff(scan.group)) + 1
        self._group_start = np.concatenate([[0], cuts, [n]]).astype(np.int64) if n else np.zeros(1, np.int64)
        self._four = scan.fold > 3.0
        self._direct: Pair | None = None
        self._sites: tuple[Floats, Pair | None] | None = None
        self._u = (scan.u - scan.from_m).astype(np.float32)
        self._h, self._z = scan.h.astype(np.float32), (scan.z - scan.height_m).astype(np.float32)
        self._look, self._exponent = scan.look.astype(np.float32), scan.exponent.astype(np.float32)
        self._turns = (scan.k / (2 * np.pi)).astype(np.float32)
        self._heard = np.cos(scan.phase).astype(np.float32), np.sin(scan.phase).astype(np.float32)
        self._weight = scan.weight.astype(np.float32)

    def _waves(self) -> tuple[Floats, Ints]:
        """Return the wavenumbers (one way) that are told apart, and each observation's."""
        k = self.scan.k
        low = float(k.min()) if len(k) else 0.0
        step = np.round((k - low) / BIN_PER_M).astype(np.int64)
        known = np.flatnonzero(np.bincount(step)) if len(k) else step
        number = np.zeros(int(step.max(initial=0)) + 1, np.int64)
        number[known] = np.arange(len(known))
        return np.asarray(low + BIN_PER_M * known, np.float64), number[step]

    def some(self, tags: Ints) -> Self:
        """Return a fit of some of the tags, from where they are, that knows no scatterers."""
        made = super().some(tags)
        if self._direct is not None:
            size = np.diff(self.scan.start)[tags]
            rows = np.arange(int(size.sum())) + np.repeat(
                self.scan.start[tags] - np.cumsum(size) + size, size
            )
            made._direct = self._direct[0][rows], self._direct[1][rows]
        return made

    def _fields(self, along_m: Floats, behind_m: Floats, row: Ints | None = None) -> Pair:
        """Return the field at points of the shelf's height, shape (n, q); ``row``: which set of points is whose."""
        along = np.atleast_2d(along_m - self.scan.from_m).astype(np.float32)
        behind = np.zeros(along.shape, np.float32)
        behind[:] = behind_m
        re, im = (np.empty((len(self._u), along.shape[1]), np.float32) for _ in range(2))
        fields_single(
            self._u, self._h, self._z, self._look, self._turns, self._exponent, along, behind,
            np.zeros(along.shape, np.float32), np.zeros(len(self._u), np.int64) if row is None else row, re, im,
        )  # fmt: skip
        return re, im

    def _links(self, from_m: Floats, place: Floats) -> Pair:
        """Return the turn of phase from offsets to places, shape (bins, offsets, places)."""
        shape = (len(self.waves), len(from_m), len(place))
        re, im = np.empty(shape, np.float32), np.empty(shape, np.float32)
        begin = self.scan.from_m
        links_single(
            (self.waves / (2 * np.pi)).astype(np.float32), (from_m - begin).astype(np.float32),
            place[:, 1].astype(np.float32), (place[:, 0] - begin).astype(np.float32),
            (place[:, 2] - self.scan.height_m).astype(np.float32), re, im,
        )  # fmt: skip
        return re, im

    def fields(self, place: Floats) -> Complex:
        """Return the field at some points, shape (n, q)."""
        re, im = self._fields(place[:, 0], place[:, 1])
        return (re + 1j * im).astype(np.complex128)

    def _add_anywhere(self) -> bool:
        """Add the scatterer that explains most; tell whether any explains enough."""
        return self._take(*self._kept_grid(), LEAST_GAIN)

    def _kept_grid(self) -> tuple[Floats, Pair | None]:
        """Return where scatterers are looked for, and the field there; None: too much to be kept."""
        if self._sites is None:
            grid = self._grid()
            kept = len(self._u) * len(grid) <= MOST_KEPT
            self._sites = grid, self._fields(grid[:, 0], grid[:, 1]) if kept else None
        return self._sites

    def _known(self) -> tuple[Pair, Pair]:
        """Return the direct field, shape (n,), and each scatterer's at unit strength, shape (s, n)."""
        re, im = self._fields(self.offset_m[:, None], np.zeros((len(self.scan), 1)), self.owner)
        field = _parts(self.field.T)
        share = np.empty_like(field[0]), np.empty_like(field[0])
        shares_single(self.owner, self.channel, *field, *self._links(self.offset_m, self.sites.place), *share)
        return (re[:, 0], im[:, 0]), share

    def shares(self) -> tuple[Complex, Complex]:
        """Return the direct field, shape (n,), and each scatterer's at unit strength, shape (n, s)."""
        direct, share = ((re + 1j * im).astype(np.complex128) for re, im in self._known())
        return direct, share.T

    def _residual(self, model: Pair) -> Singles:
        out = np.empty(len(self._u), np.float32)
        residual_single(self._group_start, self._four, *self._heard, self._weight, *model, out)
        return out

    def _robust(self, residual: Singles) -> Singles:
        out, scale = np.empty(len(residual), np.float32), self.scale_rad.copy()
        robust_single(self.scan.start, self._weight, residual, scale, *SCALES_RAD, out)
        self.scale_rad = scale
        return out

    def residual(self, model: Complex) -> Floats:
        """Return what the model leaves of the phases, each group's circular mean taken out, shape (n,)."""
        return self._residual(_parts(model)).astype(np.float64)

    def robust(self, residual: Floats) -> Floats:
        """Learn each tag's residual scale, and return the weights of a Student-t, shape (n,)."""
        return self._robust(residual.astype(np.float32)).astype(np.float64)

    def strengthen(self) -> None:
        """Fit the scatterers' strengths, offsets as they are."""
        direct, share = self._known()
        rho, scale = self.sites.rho.copy(), self.scale_rad.copy()
        strengthen_single(
            self.scan.start, self._group_start, self._four, *self._heard, self._weight, *direct, *share, rho, scale,
            *SCALES_RAD, RIDGE, MOST_STEP, ROUNDS,
        )  # fmt: skip
        self.scale_rad = scale
        self.sites = Sites(self.sites.place, rho)

    def _take(self, grid: Floats, field: Pair | None, least: float, wide: bool = True) -> bool:
        """Add the scatterer of the grid that explains most; ``wide``: anywhere, and sooner at the shelf's ends."""
        direct, share = self._known()
        model = np.empty(len(self._u), np.float32), np.empty(len(self._u), np.float32)
        model_single(*direct, *share, self.sites.rho, *model)
        residual = self._residual(model)
        weight, gain = self._robust(residual), np.zeros(len(grid))
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
            column = self.fields(grid[best : best + 1])
        else:
            column = (field[0][:, best] + 1j * field[1][:, best])[:, None].astype(np.complex128)
        self.field = np.concatenate([self.field, column], axis=1)
        return True

    def _put_back(self, grid: Floats) -> None:
        """Add the scatterer of a small grid that explains most, however little."""
        self._take(grid, self._fields(grid[:, 0], grid[:, 1]), -np.inf, wide=False)

    def _profile(self, direct: Pair, first: Ints, x_m: Floats, first_x: Ints, count: int) -> Floats:
        """Return each tag's log-likelihood at ``count`` offsets.

        Columns of ``direct`` from ``first`` on are those of the offsets ``x_m`` from ``first_x`` on.
        """
        scan, out = self.scan, np.empty((len(self.scan), count))
        re, im = self._links(x_m, self.sites.place)
        profile_single(
            scan.start, scan.group, self.channel, self._four, *self._heard, self._weight, self.scale_rad, first,
            *direct, first_x, np.ascontiguousarray(re.transpose(0, 2, 1)),
            np.ascontiguousarray(im.transpose(0, 2, 1)), *_parts(self.field * self.sites.rho), out,
        )  # fmt: skip
        return out

    def _own(self, first_m: Floats, step_m: float, count: int) -> Floats:
        """Return each tag's log-likelihood at ``count`` offsets from its own first one, shape (i, count)."""
        tags, wide = len(first_m), -(-count // LANES) * LANES
        tried = first_m[:, None] + step_m * np.arange(wide)
        direct = self._fields(tried, np.zeros((tags, 1)), self.owner)
        none = np.zeros(tags, np.int64)
        return self._profile(direct, none, tried.ravel(), wide * np.arange(tags), wide)[:, :count]

    def _near(self, first: Ints, count: int) -> Floats:
        """Return each tag's log-likelihood at ``count`` of the offsets tried, from its ``first`` on."""
        # A few offsets beyond the last, so that whole vectors can be taken from anywhere.
        x = self.x[0] + STEP_M * np.arange(len(self.x) + LANES)
        if len(self._u) * len(x) > MOST_KEPT:
            most = max(MOST_KEPT // max(len(self._u), 1), 1)
            parts = [
                self._own(self.x[first] + STEP_M * low, STEP_M, min(most, count - low))
                for low in range(0, count, most)
            ]
            return np.concatenate(parts, axis=1)
        if self._direct is None:
            self._direct = self._fields(x, np.zeros(len(x)))
        return self._profile(self._direct, first, x, first, -(-count // LANES) * LANES)[:, :count]

    def look(self) -> None:
        """Take stock of every tag's log-likelihood over the shelf, scatterers given; nothing is moved."""
        self.log_likelihood = self._near(np.zeros(len(self.scan), np.int64), len(self.x)) + self.log_prior

    def _move(self, reach_m: float | None) -> None:
        """Place every tag about as ``search`` does."""
        tags, x = len(self.scan), self.x
        if reach_m is None:
            self.look()
            first, value = np.zeros(tags, np.int64), self.log_likelihood
        else:
            half = min(round(reach_m / STEP_M), (len(x) - 1) // 2)
            middle = np.round((self.offset_m - x[0]) / STEP_M).astype(np.int64)
            first = np.clip(middle, half, len(x) - 1 - half) - half
            value = self._near(first, 2 * half + 1)
            columns = first[:, None] + np.arange(2 * half + 1)
            value = value + np.take_along_axis(self.log_prior, columns, axis=1)
        best = value.argmax(axis=1)
        inner = np.clip(best, 1, value.shape[1] - 2)
        left, top, right = (value[np.arange(tags), inner + step] for step in (-1, 0, 1))
        bend = np.maximum(2.0 * top - left - right, 1e-9)
        aside = np.where(best == inner, np.clip(0.5 * (right - left) / bend, -0.5, 0.5), 0.0)
        self.offset_m = x[first + best] + STEP_M * aside

    def search(self, reach_m: float | None = None) -> None:
        """Place every tag where, scatterers given, its phases and what else is known fit best.

        With ``reach_m`` no farther from where it is; ``log_likelihood`` then stays as it was.
        """
        self._move(reach_m)
        first = np.round((self.offset_m - self.x[0]) / STEP_M) * STEP_M + self.x[0] - STEP_M
        number = 2 * round(STEP_M / FINE_OFFSET_M) + 1
        self.offset_m = first + FINE_OFFSET_M * self._own(first, FINE_OFFSET_M, number).argmax(axis=1)


class PursuedShelfFit(FastShelfFit):
    """A fit that starts from where its tags were placed each by itself: many times as fast as from any place.

    Where most of the tags are wrong, so is it; what leaves much of the phases, or is not believed, is fitted again as
    ``FastShelfFit``.
    """

    again: ClassVar[type[ShelfFit] | None] = FastShelfFit

    @property
    def doubtful(self) -> bool:
        """Whether more is left of the phases (taken once) than a right fit usually leaves."""
        return float(np.median(self.scale_rad[self.owner] * 2.0 / self.scan.fold)) > ROUGH_RAD

    def begin(self) -> None:
        """Pursue the first scatterers among the tags where they are; these may jump."""
        for _ in range(FIRST_SITES):
            self._take(*self._kept_grid(), -np.inf)
            for turn in range(FIRST_ROUNDS):
                self.strengthen()
                self._move(None if turn == 0 else REACH_M)
            self.strengthen()
