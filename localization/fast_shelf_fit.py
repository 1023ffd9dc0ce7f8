"""The joint fit of a shelf, many times as fast: what ``shelf_fit`` does, with fields kept and in single precision.

The same model, steps and bars. The field of every antenna place at every site and offset is computed once a shelf;
what changes from round to round is a product with the sites' strengths. Readings whose wavenumbers differ by less than
``BIN_PER_M`` share the turn of phase between tags and sites. A shelf whose tags changed starts from the sites it had.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from localization.fast_shelf_kernels import (
    fields_single,
    links_single,
    normal_equations,
    profile_single,
    pursue_single,
    residual_of,
    robust_weights,
)
from localization.shelf_fit import (
    APART_M,
    BEYOND_M,
    FINE_OFFSET_M,
    FINE_REACH_M,
    FINE_STEP_M,
    LEAST_GAIN,
    MOST_SITES,
    MOST_STEP,
    NEAR_SHARE,
    REACH_M,
    RIDGE,
    ROUNDS,
    SCALES_RAD,
    SITE_DEPTHS_M,
    SITE_STEP_M,
    STEP_M,
    UPRIGHT_GAIN,
    UPRIGHT_M,
    ShelfFit,
    Sites,
)
from localization.shelf_scan import ShelfScan

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

#: Wavenumbers (one way) this near to one another are one, for the turn between tags and sites.
BIN_PER_M = 0.02
#: Fields of so many readings and points are kept; a longer shelf's are computed as they are needed.
MOST_KEPT = 12_000_000


class FastShelfFit(ShelfFit):
    """Fit of one shelf; parameters and attributes are those of ``ShelfFit``."""

    def __init__(self, scan: ShelfScan, offset_m: Floats, log_prior: Floats, slack_m: float) -> None:
        super().__init__(scan, offset_m, log_prior, slack_m)
        self._u = (scan.u - scan.from_m).astype(np.float32)
        self._h, self._z = scan.h.astype(np.float32), (scan.z - scan.height_m).astype(np.float32)
        self._look, self._exponent = scan.look.astype(np.float32), scan.exponent.astype(np.float32)
        self._turns = (scan.k / (2 * np.pi)).astype(np.float32)
        step = (
            np.round((scan.k - scan.k.min()) / BIN_PER_M).astype(np.int64)
            if len(scan.k)
            else np.zeros(0, int)
        )
        known, self._bins = np.unique(step, return_inverse=True)
        low = float(scan.k.min()) if len(scan.k) else 0.0
        self._bin_turns = ((low + BIN_PER_M * known) / (2 * np.pi)).astype(np.float32)
        self._four = scan.fold > 3.0
        self._heard = np.cos(scan.phase).astype(np.float32), np.sin(scan.phase).astype(np.float32)
        self._weight = scan.weight.astype(np.float32)
        self._direct: tuple[Singles, Singles] | None = None

    def _fields(self, along_m: Floats, behind_m: Floats, row: Ints | None = None) -> tuple[Singles, Singles]:
        """Return the field at points of the shelf's height, shape (n, q); ``row``: which set of points is whose."""
        along = np.atleast_2d(along_m - self.scan.from_m).astype(np.float32)
        behind = np.broadcast_to(np.atleast_2d(behind_m).astype(np.float32), along.shape)
        re, im = (np.empty((len(self._u), along.shape[1]), np.float32) for _ in range(2))
        fields_single(
            self._u, self._h, self._z, self._look, self._turns, self._exponent, along, np.ascontiguousarray(behind),
            np.zeros(along.shape, np.float32), np.zeros(len(self._u), np.int64) if row is None else row, re, im,
        )  # fmt: skip
        return re, im

    def _links(self, from_m: Floats, place: Floats) -> tuple[Singles, Singles]:
        """Return the turn of phase from offsets to places, shape (bins, offsets, places)."""
        shape = (len(self._bin_turns), len(from_m), len(place))
        re, im = np.empty(shape, np.float32), np.empty(shape, np.float32)
        begin = self.scan.from_m
        links_single(
            self._bin_turns, (from_m - begin).astype(np.float32), place[:, 1].astype(np.float32),
            (place[:, 0] - begin).astype(np.float32), (place[:, 2] - self.scan.height_m).astype(np.float32), re, im,
        )  # fmt: skip
        return re, im

    def fields(self, place: Floats) -> Complex:
        """Return the field at some points, shape (n, q)."""
        re, im = self._fields(place[:, 0], place[:, 1])
        return (re + 1j * im).astype(np.complex128)

    def run(self) -> Self:
        """Start from the metal at the ends, add scatterers while they explain anything, then settle them."""
        scan = self.scan
        if not len(self.sites):
            self.begin()
        along = np.arange(scan.from_m - BEYOND_M, scan.to_m + BEYOND_M, SITE_STEP_M)
        grid = np.array([(a, b, scan.height_m) for a in along for b in SITE_DEPTHS_M])
        kept = len(self._u) * len(grid) <= MOST_KEPT
        field = self._fields(grid[:, 0], grid[:, 1]) if kept else None
        while len(self.sites) < MOST_SITES and self._take(grid, field, LEAST_GAIN):
            self.strengthen()
            self.search(REACH_M)
            self.strengthen()
        self.settle()
        self.search()
        self.strengthen()
        return self

    def shares(self) -> tuple[Complex, Complex]:
        """Return the direct field, shape (n,), and each scatterer's at unit strength, shape (n, s)."""
        re, im = self._fields(self.offset_m[:, None], np.zeros((len(self.scan), 1)), self.owner)
        direct = (re[:, 0] + 1j * im[:, 0]).astype(np.complex128)
        link_re, link_im = self._links(self.offset_m, self.sites.place)
        link = (link_re + 1j * link_im)[self._bins, self.owner]
        return direct, self.field * link

    def residual(self, model: Complex) -> Floats:
        """Return what the model leaves of the phases, each group's circular mean taken out, shape (n,)."""
        out = np.empty(len(model))
        residual_of(self.scan.group, self.groups, self._four, *self._heard, self.scan.weight, model, out)
        return out

    def robust(self, residual: Floats) -> Floats:
        """Learn each tag's residual scale, and return the weights of a Student-t, shape (n,)."""
        out, scale = np.empty(len(residual)), self.scale_rad.copy()
        robust_weights(self.scan.start, self.scan.weight, residual, scale, *SCALES_RAD, out)
        self.scale_rad = scale
        return out

    def strengthen(self) -> None:
        """Fit the scatterers' strengths, offsets as they are."""
        scan, count, rho = self.scan, len(self.sites), self.sites.rho
        normal, pull = np.empty((2 * count, 2 * count)), np.empty(2 * count)
        direct, share = self.shares()
        for _ in range(ROUNDS):
            model = direct + share @ rho
            residual = self.residual(model)
            weight = self.robust(residual)
            normal_equations(scan.group, scan.fold, weight, residual, share, model, normal, pull)
            now = np.concatenate([rho.real, rho.imag])
            step = np.linalg.solve(normal + RIDGE * np.eye(2 * count), pull - RIDGE * now)
            step = step[:count] + 1j * step[count:]
            rho = rho + 0.8 * step * np.minimum(1.0, MOST_STEP / np.maximum(np.abs(step), 1e-9))
        self.sites = Sites(self.sites.place, rho)

    def _take(
        self, grid: Floats, field: tuple[Singles, Singles] | None, least: float, wide: bool = True
    ) -> bool:
        """Add the scatterer of the grid that explains most; ``wide``: anywhere, and sooner at the shelf's ends."""
        scan = self.scan
        direct, share = self.shares()
        model = direct + share @ self.sites.rho
        residual = self.residual(model)
        weight, gain = self.robust(residual), np.zeros(len(grid))
        most = len(grid) if field is not None else max(MOST_KEPT // max(len(self._u), 1), 1)
        for first in range(0, len(grid), most):
            part = grid[first : first + most]
            here = self._fields(part[:, 0], part[:, 1]) if field is None else field
            pursue_single(
                self.owner, scan.group, self._bins, scan.fold, weight, residual, model, *here,
                *self._links(self.offset_m, part), RIDGE, gain[first : first + most],
            )  # fmt: skip
        if wide:
            ends = np.minimum(np.abs(grid[:, 0] - scan.from_m), np.abs(grid[:, 0] - scan.to_m))
            gain += UPRIGHT_GAIN * (ends < UPRIGHT_M)
        for known in self.sites.place[:, 0]:
            gain *= np.where(np.abs(grid[:, 0] - known) < APART_M, NEAR_SHARE, 1.0)
        best = int(gain.argmax())
        if gain[best] < least:
            return False
        self.sites = Sites(np.vstack([self.sites.place, grid[best]]), np.append(self.sites.rho, 0.0))
        if field is None:
            column = self.fields(grid[best : best + 1])
        else:
            column = (field[0][:, best] + 1j * field[1][:, best])[:, None].astype(np.complex128)
        self.field = np.concatenate([self.field, column], axis=1)
        return True

    def settle(self) -> None:
        """Take each scatterer out once and put it back where, nearby, it explains most."""
        near = np.arange(-FINE_REACH_M, FINE_REACH_M + 1e-9, FINE_STEP_M)
        moves = np.array([(a, b, 0.0) for a in near for b in near])
        for _ in range(len(self.sites)):
            place, rho = self.sites.place[0], self.sites.rho[0]
            self.sites = Sites(self.sites.place[1:], self.sites.rho[1:])
            self.field = self.field[:, 1:]
            grid = place + moves
            self._take(grid, self._fields(grid[:, 0], grid[:, 1]), -np.inf, wide=False)
            self.sites = Sites(self.sites.place, np.append(self.sites.rho[:-1], rho))
            self.strengthen()

    def _profile(
        self, direct: tuple[Singles, Singles], first: Ints, x_m: Floats, first_x: Ints, count: int
    ) -> Floats:
        """Return each tag's log-likelihood at ``count`` offsets.

        Columns of ``direct`` from ``first`` on are those of the offsets ``x_m`` from ``first_x`` on.
        """
        scan, out = self.scan, np.empty((len(self.scan), count))
        links = self._links(x_m, self.sites.place)
        link_re, link_im = (np.ascontiguousarray(part.transpose(0, 2, 1)) for part in links)
        strength = self.field * self.sites.rho
        profile_single(
            scan.start, scan.group, self._bins, self._four, *self._heard, self._weight, self.scale_rad, first,
            *direct, first_x, link_re, link_im, strength.real.astype(np.float32), strength.imag.astype(np.float32),
            out,
        )  # fmt: skip
        return out

    def _own(self, tried_m: Floats) -> Floats:
        """Return each tag's log-likelihood at offsets of its own, shape (i, count)."""
        tags, count = tried_m.shape
        direct = self._fields(tried_m, np.zeros((tags, 1)), self.owner)
        return self._profile(
            direct, np.zeros(tags, np.int64), tried_m.ravel(), count * np.arange(tags), count
        )

    def _near(self, first: Ints, count: int) -> Floats:
        """Return each tag's log-likelihood at ``count`` of the offsets tried, from its ``first`` on."""
        x = self.x
        if len(self._u) * len(x) > MOST_KEPT:
            most = max(MOST_KEPT // max(len(self._u), 1), 1)
            parts = [
                self._own(x[first[:, None] + np.arange(low, min(low + most, count))])
                for low in range(0, count, most)
            ]
            return np.concatenate(parts, axis=1)
        if self._direct is None:
            self._direct = self._fields(x, np.zeros(len(x)))
        return self._profile(self._direct, first, x, first, count)

    def search(self, reach_m: float | None = None) -> None:
        """Place every tag where, scatterers given, its phases and what else is known fit best.

        With ``reach_m`` no farther from where it is; ``log_likelihood`` then stays as it was.
        """
        tags, x = len(self.scan), self.x
        if reach_m is None:
            self.log_likelihood = self._near(np.zeros(tags, np.int64), len(x)) + self.log_prior
            best = x[self.log_likelihood.argmax(axis=1)]
        else:
            half = min(round(reach_m / STEP_M), (len(x) - 1) // 2)
            middle = np.clip(
                np.round((self.offset_m - x[0]) / STEP_M).astype(np.int64), half, len(x) - 1 - half
            )
            column = (middle - half)[:, None] + np.arange(2 * half + 1)
            near = self._near(middle - half, 2 * half + 1)
            near = near + np.take_along_axis(self.log_prior, column, axis=1)
            best = x[middle - half + near.argmax(axis=1)]
        tried = (best - STEP_M)[:, None] + FINE_OFFSET_M * np.arange(2 * round(STEP_M / FINE_OFFSET_M) + 1)
        self.offset_m = np.take_along_axis(tried, self._own(tried).argmax(axis=1)[:, None], axis=1)[:, 0]
