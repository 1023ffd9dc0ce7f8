"""Tags that hear scatterers and one another: the joint model of a row, and its least squares.

One way, with ``g`` what reaches tag ``i`` from the antenna directly and by way of the scatterers, the fields at the
tags solve the Foldy-Lax equations (L. L. Foldy, Phys. Rev. 67, 107, 1945)

    E_i = g_i + sum_{j != i} K(|p_i - p_j|) t_j E_j

with the transverse field of a short dipole, ``x = k s`` (J. D. Jackson, *Classical Electrodynamics*, section 9.2)

    K = 1.5 j e^{-jx} / x (1 - j/x - 1/x^2)

``s`` no shorter than a tag is wide. A passive tag has ``t = (S - 1) / 2`` with ``|S| <= 1``, so tags of one kind have
nearly one ``t`` and need no scatterers of their own. The signal is ``alpha_i E_i^2``. Offsets, heights, ``t_j`` and the
scatterers' places and strengths are fitted together by Levenberg-Marquardt steps on the one-way signal, whose sign at
each stop is the one nearer to the model: that removes the slips of an unwrapped phase at nulls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from localization.scatterer_kernels import slopes
from localization.scatterer_pursuit import FLOOR, STRENGTH_SIGMA, Start, samples
from localization.scatterer_row import Bools, Complex, Floats, Row

#: What a tag answers beforehand, its scatter from tag to tag, and how near two tags' fields can come.
ANSWER, ANSWER_SIGMA = -0.12 - 0.17j, 0.2
TAG_SIZE_M = 0.08
#: Field pattern of antenna and tag together: this power of the cosine off boresight.
PATTERN = 0.5
#: Heights beforehand, and those tried; a tag lives in a plane, but the plan does not say how high.
HEIGHT_SIGMA_M = 0.08
HEIGHTS_M = np.array([-0.16, -0.08, 0.0, 0.08, 0.16])
#: How far one solution may carry offsets and scatterers from where it began.
STEP_SIGMA_M = 0.05
#: Independent samples a tag's stops count as in the least squares; one-way share of energy never explained.
LEAST_SQUARES_SAMPLES, LEAST_SQUARES_FLOOR = 25.0, 0.025
STEPS, TRIES, ENOUGH = 15, 6, 1e-3
#: Offsets a tag jumps by are at least so long; heights at least so far apart.
JUMP_M, APART_M = 0.015, 0.04
JUMPS = 3
#: A tag's own phases alone are wrong by this much as often as not, with heavy tails (Student t, two degrees).
ALONE_M = 0.08


@dataclass(frozen=True, slots=True)
class State:
    """All that is fitted, as in :class:`Joint`."""

    x_m: Floats
    z_m: Floats
    answer: Complex
    place_m: Floats
    strength: Complex
    sigma_m: Floats


class Joint:
    """The joint model of a row: ``i`` tags, ``s`` scatterers, ``n`` stops.

    Attributes
    ----------
    x_m, z_m : float64 array, shape (i,)
    answer : complex128 array, shape (i,)
    place_m : float64 array, shape (s, 2)
    strength : complex128 array, shape (s,)
    upright : bool
        Scatterers are posts, which meet each tag at its own height; else points at the row's middle height.
    unexplained : float64 array, shape (i,)
        Share of each tag's energy.
    sigma_m : float64 array, shape (i,)
        Of ``x_m``, by the curvature at the solution.
    """

    def __init__(self, row: Row, start: Start, *, coupled: bool) -> None:
        self.row, self.coupled, self.upright = row, coupled, False
        self.x_m, self.z_m = start.x_m.copy(), np.zeros(len(start.x_m))
        self.answer = np.full(len(start.x_m), ANSWER if coupled else 0.0, np.complex128)
        self.place_m, self.strength = start.place_m.copy(), start.strength.copy()
        self.high = False
        self.sigma_m = np.full(len(start.x_m), STEP_SIGMA_M)
        self._samples = samples(row.heard)
        self._root = np.sqrt(row.signal)
        self._direct: dict[float, Complex] = {}
        self.solve_fields()

    def state(self) -> State:
        """Return a copy of all that is fitted."""
        return State(
            self.x_m.copy(), self.z_m.copy(), self.answer.copy(), self.place_m.copy(), self.strength.copy(),
            self.sigma_m.copy(),
        )  # fmt: skip

    def load(self, state: State) -> None:
        """Go back to a state."""
        self.x_m, self.z_m, self.answer = state.x_m.copy(), state.z_m.copy(), state.answer.copy()
        self.place_m, self.strength = state.place_m.copy(), state.strength.copy()
        self.sigma_m = state.sigma_m.copy()
        self.solve_fields()

    def shift(self, by_m: float) -> None:
        """Move tags and scatterers along the row together: the path differences stay, a row's own ambiguity."""
        self.x_m = self.x_m + by_m
        self.place_m = self.place_m + np.array([by_m, 0.0])
        self.solve_fields()

    @property
    def cost(self) -> float:
        """Minus the log posterior, up to a constant: comparable between solutions of one row."""
        at = np.clip(np.rint((self.x_m - self.row.x_m[0]) / self._step), 0, len(self.row.x_m) - 1)
        log_prior = self.row.log_prior[np.arange(len(at)), at.astype(np.int64)]
        away = (self.x_m - self.row.alone_m) / ALONE_M
        cost = (self._samples * np.log(self.unexplained + FLOOR)).sum() - log_prior.sum()
        cost += 1.5 * np.log1p(away**2 / 2.0).sum()
        cost += 0.5 * (np.abs(self.strength) ** 2).sum() / STRENGTH_SIGMA**2
        if self.coupled:
            cost += 0.5 * (np.abs(self.answer - ANSWER) ** 2).sum() / ANSWER_SIGMA**2
        return float(cost + 0.5 * (self.z_m**2).sum() / HEIGHT_SIGMA_M**2)

    @property
    def _step(self) -> float:
        return float(self.row.x_m[1] - self.row.x_m[0])

    def _antenna(self, x: Floats, depth: Floats, z: Floats) -> tuple[Complex, Complex, Floats]:
        """Field from points to the stops, its logarithm's slope by distance, and the distance; (points, n) each."""
        out = self.row.h_m + depth[:, None]
        d = np.sqrt((self.row.u_m - x[:, None]) ** 2 + out**2 + z[:, None] ** 2)
        field = np.asarray((out / d) ** PATTERN / d * np.exp(-1j * self.row.k * d), np.complex128)
        slope = np.asarray((-(PATTERN + 1.0) / d - 1j * self.row.k) * field, np.complex128)
        return field, slope, np.asarray(d, np.float64)

    def _apart(self, x: Floats, z: Floats) -> Floats:
        """Distance between points and tags, never nothing; shape (points, i)."""
        return np.sqrt((x[:, None] - self.x_m) ** 2 + (z[:, None] - self.z_m) ** 2 + TAG_SIZE_M**2)

    def _links(self, x: Floats, z: Floats) -> tuple[Complex, Floats]:
        """Phase from points to scatterers and the way; shape (points, s)."""
        rise = np.zeros_like(z) if self.upright else z
        way = np.sqrt(
            (x[:, None] - self.place_m[:, 0]) ** 2 + self.place_m[:, 1] ** 2 + rise[:, None] ** 2 + 1e-6
        )
        return np.exp(-1j * self.row.k * way), way

    def solve_fields(self) -> None:
        """Solve for the fields at all tags, and match each with its signal."""
        count = len(self.x_m)
        self._near, self._near_slope, self._near_way = self._antenna(self.x_m, np.zeros(count), self.z_m)
        self._far, self._far_slope, self._far_way = self._antenna(
            self.place_m[:, 0], self.place_m[:, 1], np.zeros(len(self.place_m))
        )
        self._link, self._link_way = self._links(self.x_m, self.z_m)
        met = self._near + (self._link * self.strength) @ self._far
        self._inverse: Complex = np.eye(count, dtype=np.complex128)
        self.field = met
        if self.coupled:
            self._pair = _dipole(self.row.k * self._apart(self.x_m, self.z_m))
            np.fill_diagonal(self._pair, 0.0)
            mixed = np.linalg.inv(self._inverse - self._pair * self.answer)
            self._inverse = np.asarray(mixed, np.complex128)
            self.field = self._inverse @ met
        self._match()

    def _match(self) -> None:
        """Each tag's factor, and what is left of its one-way signal."""
        heard = self.row.heard
        model = self.field**2 * heard
        power = np.maximum((np.abs(model) ** 2).sum(axis=1), 1e-30)
        whole = (model.conj() * self.row.signal).sum(axis=1) / power
        self.whole = whole
        self.unexplained = np.clip(1.0 - np.abs(whole) ** 2 * power, 0.0, 1.0)
        flip = ((np.sqrt(whole)[:, None] * self.field).conj() * self._root).real < 0
        self._one_way = np.where(flip, -self._root, self._root)
        field = self.field * heard
        self.factor = (field.conj() * self._one_way).sum(axis=1)
        self.factor = self.factor / np.maximum((np.abs(field) ** 2).sum(axis=1), 1e-30)
        self._left = (self._one_way - self.factor[:, None] * self.field) * heard

    def left_of(self, row: Row, stops: Bools) -> Floats:
        """Return the share of energy at other stops that the fit, factors and all, leaves; NaN: nothing heard there.

        ``row`` holds the signals of all stops; those of this fit are its own, so only their ratio counts.
        """
        scale = np.sqrt((np.abs(row.signal[:, ~stops]) ** 2).sum(axis=1))
        heard = row.heard * stops
        left = (np.abs(row.signal - (scale * self.whole)[:, None] * self.field**2) ** 2 * heard).sum(axis=1)
        energy = (np.abs(row.signal) ** 2 * heard).sum(axis=1)
        return np.where(energy > 0, left / np.maximum(energy, 1e-30), np.nan)

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
        pair = self.row.k * _dipole_slope(self.row.k * apart) * (by[:, None] - by) / apart
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

    def curves(self, heights_m: Floats | None = None) -> Floats:
        """Log posterior of each tag's offset, all others staying as they are; shape (heights, i, x).

        Without heights, each tag keeps its own.
        """
        own = heights_m is None
        levels = np.unique(self.z_m) if heights_m is None else heights_m
        x = self.row.x_m
        out = np.full((1 if own else len(levels), len(self.x_m), len(x)), -np.inf)
        for number, z in enumerate(levels.tolist()):
            members = np.flatnonzero(self.z_m == z) if own else np.arange(len(self.x_m))
            at = np.full(len(x), z)
            direct = self._direct.get(z)
            if direct is None:
                direct = self._antenna(x, np.zeros(len(x)), at)[0]
                if z in HEIGHTS_M:
                    self._direct[z] = direct
            met = direct + (self._links(x, at)[0] * self.strength) @ self._far
            others = np.zeros((len(x), len(self.x_m)), np.complex128)
            if self.coupled:
                others = _dipole(self.row.k * self._apart(x, at)) * self.answer
                met = met + others @ self.field
            for i in members.tolist():
                model = (met - others[:, i : i + 1] * self.field[i]) ** 2
                power = (np.abs(model) ** 2) @ self.row.heard[i]
                match = np.abs(model.conj() @ self.row.signal[i]) ** 2 / np.maximum(power, 1e-30)
                out[0 if own else number, i] = (
                    -self._samples[i] * np.log(np.maximum(1.0 - match, 0.0) + FLOOR)
                    + self.row.log_prior[i]
                    - 0.5 * (z / HEIGHT_SIGMA_M) ** 2
                )
        return out

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
            here = np.clip(np.rint((self.x_m - self.row.x_m[0]) / self._step), 0, len(self.row.x_m) - 1)
            now = (
                -self._samples * np.log(self.unexplained + FLOOR)
                + self.row.log_prior[tags, here.astype(np.int64)]
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


def _dipole(x: Floats) -> Complex:
    return np.asarray(1.5j * np.exp(-1j * x) / x * (1.0 - 1j / x - 1.0 / x**2), np.complex128)


def _dipole_slope(x: Floats) -> Complex:
    inner = 1.0 / x - 1j / x**2 - 1.0 / x**3
    slope = -1.0 / x**2 + 2j / x**3 + 3.0 / x**4
    return np.asarray(1.5j * np.exp(-1j * x) * (slope - 1j * inner), np.complex128)
