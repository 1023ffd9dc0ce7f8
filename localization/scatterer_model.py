"""The joint fit of a row: offsets, heights, answers, and scatterers' places and strengths, by least squares.

Everything ``scatterer_fields`` needs is fitted together by Levenberg-Marquardt steps on the one-way signal, whose sign
at each stop is the one nearer to the model: that removes the slips of an unwrapped phase at nulls. Steps stay on one
peak of the posterior; from there single tags jump to better offsets and heights.
"""

from __future__ import annotations

import numpy as np

from localization.scatterer_fields import (
    ANSWER,
    ANSWER_SIGMA,
    HEIGHT_SIGMA_M,
    HEIGHTS_M,
    PATTERN,
    STEP_SIGMA_M,
    Fields,
    dipole_slope,
)
from localization.scatterer_kernels import slopes
from localization.scatterer_pursuit import FLOOR, STRENGTH_SIGMA, Start
from localization.scatterer_row import Complex, Floats, Row

#: Independent samples a tag's stops count as in the least squares; one-way share of energy never explained.
LEAST_SQUARES_SAMPLES, LEAST_SQUARES_FLOOR = 25.0, 0.025
STEPS, TRIES, ENOUGH = 15, 6, 1e-3
#: Offsets a tag jumps by are at least so long; heights at least so far apart.
JUMP_M, APART_M = 0.015, 0.04
JUMPS = 3


class Joint(Fields):
    """A row whose fields can be fitted; parameters and attributes are those of :class:`Fields`."""

    def __init__(self, row: Row, start: Start, *, coupled: bool) -> None:
        super().__init__(row, start, coupled=coupled)
        self.high = False

    def _parameters(self) -> tuple[Floats, Floats, Floats]:
        """Return all parameters, what they are beforehand, and their sigma."""
        tags, count = len(self.x_m), len(self.strength)
        now, before, sigma = [self.x_m], [self.x_m], [np.full(tags, STEP_SIGMA_M)]
        if self.coupled:
            now += [self.answer.real, self.answer.imag]
            before += [np.full(tags, ANSWER.real), np.full(tags, ANSWER.imag)]
            sigma += [np.full(2 * tags, ANSWER_SIGMA)]
        if self.high:
            now, before = [*now, self.z_m], [*before, np.zeros(tags)]
            sigma += [np.full(tags, HEIGHT_SIGMA_M)]
        place = [self.place_m[:, 0], self.place_m[:, 1]]
        now += [self.strength.real, self.strength.imag, *place]
        before += [np.zeros(2 * count), *place]
        sigma += [np.full(2 * count, STRENGTH_SIGMA), np.full(2 * count, STEP_SIGMA_M)]
        return np.concatenate(now), np.concatenate(before), np.concatenate(sigma)

    def _set(self, values: Floats) -> None:
        tags, count = len(self.x_m), len(self.strength)
        self.x_m, at = values[:tags].copy(), tags
        if self.coupled:
            self.answer = values[at : at + tags] + 1j * values[at + tags : at + 2 * tags]
            at += 2 * tags
        if self.high:
            self.z_m, at = values[at : at + tags].copy(), at + tags
        self.strength = values[at : at + count] + 1j * values[at + count : at + 2 * count]
        at += 2 * count
        self.place_m = np.stack([values[at : at + count], values[at + count : at + 2 * count]], axis=1)
        self.solve_fields()

    def _moved(self, by: Floats, near: Complex, links: Complex) -> tuple[Complex, ...]:
        """Slope of all fields by one coordinate of each tag: two factors for each term, as ``slopes`` takes them."""
        met = near + (links * self.strength) @ self._far
        if not self.coupled:
            return self._inverse, met, np.zeros_like(self._inverse), np.zeros_like(met)
        apart = self._apart(self.x_m, self.z_m)
        pair = self.row.k * dipole_slope(self.row.k * apart) * (by[:, None] - by) / apart
        np.fill_diagonal(pair, 0.0)
        return (
            self._inverse, met + (pair * self.answer) @ self.field,
            -(self._inverse @ pair) * self.answer, self.field,
        )  # fmt: skip

    def _slopes(self, weight: Floats) -> Floats:
        """Return the design matrix, parameters as in ``_parameters``."""
        k, tags = self.row.k, len(self.x_m)
        along = (self.row.u_m - self.x_m[:, None]) / self._near_way
        across = (self.x_m[:, None] - self.place_m[:, 0]) / self._link_way
        link = -1j * k * self._link
        terms = [self._moved(self.x_m, -along * self._near_slope, link * across)]
        zero, none = np.zeros((tags, tags), np.complex128), np.zeros((tags, len(self.row.u_m)), np.complex128)
        if self.coupled:
            answered = self._inverse @ self._pair
            terms += [(answered, self.field, zero, none), (1j * answered, self.field, zero, none)]
        if self.high:
            rise = self.z_m[:, None]
            links = link * (0.0 if self.upright else 1.0) * rise / self._link_way
            terms += [self._moved(self.z_m, rise / self._near_way * self._near_slope, links)]
        met = self._inverse @ self._link
        off, empty = np.zeros_like(met), np.zeros_like(self._far)
        terms += [(met, self._far, off, empty), (1j * met, self._far, off, empty)]
        far = (self.row.u_m - self.place_m[:, :1]) / self._far_way
        out = (self.row.h_m + self.place_m[:, 1:]) / self._far_way
        for links, field in (
            (-link * across, -far * self._far_slope),
            (
                link * self.place_m[:, 1] / self._link_way,
                out * self._far_slope + PATTERN / (self.row.h_m + self.place_m[:, 1:]) * self._far,
            ),
        ):
            terms += [((self._inverse @ links) * self.strength, self._far, met * self.strength, field)]
        first_at, first, second_at, second = (
            np.concatenate(part, axis=1 - n % 2) for n, part in enumerate(zip(*terms, strict=True))
        )
        return slopes(first_at, first, second_at, second, self.factor, weight, self.field)

    def solve(self) -> None:
        """Levenberg-Marquardt steps; each tag's noise is what it leaves, so that no tag outweighs the others."""
        damping = 1e-2
        now, before, sigma = self._parameters()
        stiff = 1.0 / sigma**2
        heard = self.row.heard
        count = np.maximum(heard.sum(axis=1), 1.0)
        energy = (np.abs(self._root * heard) ** 2).sum(axis=1)
        normal, trial = np.diag(stiff), now
        for _ in range(STEPS):
            spread = ((np.abs(self._left) ** 2).sum(axis=1) + LEAST_SQUARES_FLOOR * energy) / count
            precise = np.minimum(count, LEAST_SQUARES_SAMPLES) / count / np.maximum(spread, 1e-30)
            weight = np.sqrt(precise)[:, None] * heard
            design = self._slopes(weight)
            left = self._left * weight
            target = np.stack([left.real, left.imag], axis=1).ravel()
            normal = design @ design.T
            right = design @ target - stiff * (now - before)
            cost = float((target**2).sum() + (stiff * (now - before) ** 2).sum())
            new = cost
            for _ in range(TRIES):
                system = normal + np.diag(stiff + damping * (np.diag(normal) + stiff))
                trial = now + np.linalg.solve(system, right)
                self._set(trial)
                new = float((np.abs(self._left * weight) ** 2).sum() + (stiff * (trial - before) ** 2).sum())
                if new < cost:
                    damping = max(damping / 4.0, 1e-6)
                    break
                damping *= 5.0
            if new >= cost:
                self._set(now)
                break
            now = trial
            if cost - new < ENOUGH * cost:
                break
        tags = len(self.x_m)
        self.sigma_m = np.sqrt(np.diag(np.linalg.inv(normal + np.diag(stiff)))[:tags])

    def settle(self) -> None:
        """Solve; let tags jump to better offsets; solve again, as long as that pays."""
        self.solve()
        best, kept = self.cost, self.state()
        for _ in range(JUMPS):
            x = self.row.x_m[self.curves()[0].argmax(axis=1)]
            jumps = np.abs(x - self.x_m) > JUMP_M
            if not jumps.any():
                break
            self.x_m = np.where(jumps, x, self.x_m)
            self.solve_fields()
            self.solve()
            if self.cost > best - 0.01:
                break
            best, kept = self.cost, self.state()
        self.load(kept)

    def rise(self, rng: np.random.Generator) -> None:
        """Free the heights and solve; then let the tags that gain most go to other heights, as long as that pays.

        All heights 0 are a saddle, as up and down are alike there, so they begin off it.
        """
        self.high = True
        self.z_m = 0.03 * rng.standard_normal(len(self.z_m))
        self.solve_fields()
        self.settle()
        best, kept, most = self.cost, self.state(), 4
        tags = np.arange(len(self.x_m))
        for _ in range(JUMPS + 1):
            curves = self.curves(HEIGHTS_M)
            flat = curves.transpose(1, 0, 2).reshape(len(tags), -1)
            level, at = np.divmod(flat.argmax(axis=1), len(self.row.x_m))
            now = (
                -self._samples * np.log(self.unexplained + FLOOR)
                + self.row.log_prior[tags, self._nearest()]
                - 0.5 * (self.z_m / HEIGHT_SIGMA_M) ** 2
            )
            gain = flat.max(axis=1) - now
            far = np.abs(HEIGHTS_M[level] - self.z_m) > APART_M
            far |= np.abs(self.row.x_m[at] - self.x_m) > JUMP_M
            chosen = np.flatnonzero(far & (gain > 1.0))
            chosen = chosen[np.argsort(-gain[chosen])][:most]
            if len(chosen) == 0:
                break
            self.z_m[chosen], self.x_m[chosen] = HEIGHTS_M[level[chosen]], self.row.x_m[at[chosen]]
            self.solve_fields()
            self.solve()
            if self.cost < best - 0.5:
                best, kept = self.cost, self.state()
                continue
            self.load(kept)
            if most == 1 or len(chosen) == 1:
                break
            most = 1
        self.load(kept)
