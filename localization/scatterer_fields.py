"""Tags that hear scatterers and one another: the fields of a row, and what they leave of its signal.

One way, with ``g`` what reaches tag ``i`` from the antenna directly and by way of the scatterers, the fields at the
tags solve the Foldy-Lax equations (L. L. Foldy, Phys. Rev. 67, 107, 1945)

    E_i = g_i + sum_{j != i} K(|p_i - p_j|) t_j E_j

with the transverse field of a short dipole, ``x = k s`` (J. D. Jackson, *Classical Electrodynamics*, section 9.2)

    K = 1.5 j e^{-jx} / x (1 - j/x - 1/x^2)

``s`` no shorter than a tag is wide. A passive tag has ``t = (S - 1) / 2`` with ``|S| <= 1``, so tags of one kind have
nearly one ``t`` and need no scatterers of their own. The signal is ``alpha_i E_i^2``; ``scatterer_model`` fits
everything else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.scatterer_pursuit import FLOOR, STRENGTH_SIGMA, Start, samples
from localization.scatterer_row import Bools, Complex, Floats, Row

Ints = npt.NDArray[np.int64]

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
#: A tag's own phases alone are wrong by this much as often as not, with heavy tails (Student t, two degrees).
ALONE_M = 0.08


@dataclass(frozen=True, slots=True)
class State:
    """All that is fitted, as in :class:`Fields`."""

    x_m: Floats
    z_m: Floats
    answer: Complex
    place_m: Floats
    strength: Complex
    sigma_m: Floats


class Fields:
    """The fields of a row, ``i`` tags and ``s`` scatterers at ``n`` stops, and what they leave of its signal.

    Parameters
    ----------
    row : Row
    start : Start
        Where tags and scatterers stand at first.
    coupled : bool
        Tags hear one another.

    Attributes
    ----------
    x_m, z_m : float64 array, shape (i,)
    answer : complex128 array, shape (i,)
        How strongly each tag re-radiates, ``t``.
    place_m : float64 array, shape (s, 2)
        Scatterers, along the row and behind the tags' plane.
    strength : complex128 array, shape (s,)
    upright : bool
        Scatterers are posts, which meet each tag at its own height; else points at the row's middle height.
    field : complex128 array, shape (i, n)
        One way, at each tag.
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
        log_prior = self.row.log_prior[np.arange(len(self.x_m)), self._nearest()]
        away = (self.x_m - self.row.alone_m) / ALONE_M
        cost = (self._samples * np.log(self.unexplained + FLOOR)).sum() - log_prior.sum()
        cost += 1.5 * np.log1p(away**2 / 2.0).sum()
        cost += 0.5 * (np.abs(self.strength) ** 2).sum() / STRENGTH_SIGMA**2
        if self.coupled:
            cost += 0.5 * (np.abs(self.answer - ANSWER) ** 2).sum() / ANSWER_SIGMA**2
        return float(cost + 0.5 * (self.z_m**2).sum() / HEIGHT_SIGMA_M**2)

    def _nearest(self) -> Ints:
        """Index of the row's grid of offsets nearest to each tag, shape (i,)."""
        step = self.row.x_m[1] - self.row.x_m[0]
        at = np.clip(np.rint((self.x_m - self.row.x_m[0]) / step), 0, len(self.row.x_m) - 1)
        return at.astype(np.int64)

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
            self._pair = dipole(self.row.k * self._apart(self.x_m, self.z_m))
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
                others = dipole(self.row.k * self._apart(x, at)) * self.answer
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


def dipole(x: Floats) -> Complex:
    """Return the transverse field of a short dipole at ``x = k s``, ``K`` above."""
    return np.asarray(1.5j * np.exp(-1j * x) / x * (1.0 - 1j / x - 1.0 / x**2), np.complex128)


def dipole_slope(x: Floats) -> Complex:
    """Return the derivative of :func:`dipole` by ``x``."""
    inner = 1.0 / x - 1j / x**2 - 1.0 / x**3
    slope = -1.0 / x**2 + 2j / x**3 + 3.0 / x**4
    return np.asarray(1.5j * np.exp(-1j * x) * (slope - 1j * inner), np.complex128)
