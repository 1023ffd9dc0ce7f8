"""Where the joint fit starts: matching pursuit of scatterers over all tags of a row.

Scatterers are added one by one (Mallat & Zhang, IEEE Trans. Signal Processing 41, 1993), each the one that explains
most of what all tags have left, and the tags' offsets are found anew on a grid after each. Pursuit is greedy, and
which scatterer comes first decides where it ends; so it is run several times, with and without the antenna's
pattern, to several depths and with some chance in the choice, and the caller keeps what fits best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from localization.scatterer_row import Complex, Floats, Row

#: Grid of scatterers: along the row and beyond its ends, and in depth about the tags' plane (positive: behind).
SCATTERER_STEP_M = 0.02
BEYOND_ROW_M = 0.5
DEPTHS_M = (-0.06, 0.12)
#: Ridge of the scatterers' least squares, as a share of the mean diagonal; damping of each step.
RIDGE, DAMPING = 1e-3, 0.7
#: Rounds of (phases, scatterers, offsets) after each change.
ROUNDS = 3
#: Share of a tag's energy that no model explains.
FLOOR = 0.02
#: Independent samples of a metre of track, the residual being alike over a tenth of a metre and more.
SAMPLES = 8.0
#: Standard deviation that a scatterer's strength is taken to have beforehand.
STRENGTH_SIGMA = 0.5


@dataclass(frozen=True, slots=True)
class Start:
    """What one pursuit came to.

    Attributes
    ----------
    x_m : float64 array, shape (i,)
    place_m : float64 array, shape (s, 2)
        Of the scatterers: along the row, and depth behind the tags' plane.
    strength : complex128 array, shape (s,)
    cost : float
        Minus the log posterior, up to a constant.
    """

    x_m: Floats
    place_m: Floats
    strength: Complex
    cost: float


def samples(heard: Floats) -> Floats:
    """Return how many independent samples each tag has, shape (i,)."""
    return np.minimum(SAMPLES, 0.8 * heard.sum(axis=1))


class Ground:
    """Fields from all grid points to the stops: the same for every pursuit of a row with one pattern."""

    def __init__(self, row: Row, exponent: float) -> None:
        self.row, self.exponent = row, exponent
        x = row.x_m
        along = np.arange(x[0] - BEYOND_ROW_M, x[-1] + BEYOND_ROW_M, SCATTERER_STEP_M)
        depth = np.arange(DEPTHS_M[0], DEPTHS_M[1] + 1e-9, SCATTERER_STEP_M)
        self.grid = np.stack([axis.ravel() for axis in np.meshgrid(along, depth, indexing="ij")], axis=1)
        self.direct = self._field(x, np.zeros(len(x)))
        self.field = self._field(self.grid[:, 0], self.grid[:, 1])
        self.power = np.abs(self.field) ** 2

    def _field(self, x: Floats, depth: Floats) -> Complex:
        out = self.row.h_m + depth[:, None]
        d = np.sqrt((self.row.u_m - x[:, None]) ** 2 + out**2)
        return np.asarray((out / d) ** self.exponent / d * np.exp(-1j * self.row.k * d), np.complex128)

    def links(self, x: Floats, place: Floats) -> Complex:
        """Phase from points of the row to scatterers, shape (points, scatterers)."""
        return np.exp(-1j * self.row.k * np.hypot(x[:, None] - place[:, 0], place[:, 1]))


def pursue(ground: Ground, most: int, chance: float, rng: np.random.Generator) -> Start:
    """Add ``most`` scatterers, then take each out once and find it anew.

    Parameters
    ----------
    ground : Ground
    most : int
    chance : float
        Scale of the Gumbel noise on the log of what a scatterer explains; 0: always the best.
    rng : Generator
    """
    return _pursued(ground, most, chance, rng).start()


def curves_of(ground: Ground, most: int) -> tuple[Floats, Start]:
    """Return the log posterior of each tag's offset, shape (i, x), given the likeliest scatterers, and these."""
    fit = _pursued(ground, most, 0.0, np.random.default_rng(0))
    return fit.score, fit.start()


class _Pursuit:
    def __init__(self, ground: Ground, chance: float, rng: np.random.Generator) -> None:
        self.ground, self.row, self.chance, self.rng = ground, ground.row, chance, rng
        self.weight_of = samples(self.row.heard)
        self.chosen = np.zeros(0, np.int64)
        self.strength = np.zeros(0, np.complex128)
        self._offsets()

    def start(self) -> Start:
        row = np.arange(len(self.at))
        cost = -self.score[row, self.at].sum() + 0.5 * (np.abs(self.strength) ** 2).sum() / STRENGTH_SIGMA**2
        return Start(
            self.row.x_m[self.at], self.ground.grid[self.chosen].copy(), self.strength.copy(), float(cost)
        )

    def _model(self) -> Complex:
        """One-way field for every offset of the grid, shape (x, n)."""
        if len(self.chosen) == 0:
            return self.ground.direct
        links = self.ground.links(self.row.x_m, self.ground.grid[self.chosen])
        return self.ground.direct + (links * self.strength) @ self.ground.field[self.chosen]

    def _offsets(self) -> None:
        """Match every tag with every offset, and take the best."""
        self.model = self._model()
        square = self.model**2
        dot = self.row.signal.conj() @ square.T
        power = self.row.heard @ (np.abs(square) ** 2).T
        unexplained = np.maximum(1.0 - np.abs(dot) ** 2 / np.maximum(power, 1e-30), 0.0)
        self.score = self.row.log_prior - self.weight_of[:, None] * np.log(unexplained + FLOOR)
        self.at = self.score.argmax(axis=1)

    def _tags(self) -> None:
        """Each tag's own factor, weight and one-way signal, its sign at each stop the one nearer to the model."""
        one_way = self.model[self.at]
        model = one_way**2 * self.row.heard
        power = (np.abs(model) ** 2).sum(axis=1)
        factor = (model.conj() * self.row.signal).sum(axis=1) / np.maximum(power, 1e-30)
        unexplained = np.clip(1.0 - np.abs(factor) ** 2 * power, 0.0, 1.0)
        root = np.sqrt(factor)[:, None]
        signal = np.sqrt(self.row.signal)
        signal = np.where(((root * one_way).conj() * signal).real < 0, -signal, signal)
        self.one_way = signal / np.where(np.abs(root) > 0, root, 1.0)
        weight = np.abs(factor) / (unexplained + FLOOR)
        self.weight = weight / max(float(weight.sum()), 1e-30)

    def add(self) -> None:
        """Add the scatterer that explains most of what all tags have left, and settle."""
        self._tags()
        ground = self.ground
        left = (self.one_way - self.model[self.at]) * self.row.heard
        links = ground.links(self.row.x_m[self.at], ground.grid)
        dot = (ground.field.conj() * ((links.conj() * self.weight[:, None]).T @ left)).sum(axis=1)
        explained = np.abs(dot) ** 2 / np.maximum(ground.power @ (self.weight @ self.row.heard), 1e-30)
        if self.chance > 0:
            explained = explained * np.exp(self.chance * self.rng.gumbel(size=len(explained)))
        self.chosen = np.append(self.chosen, int(explained.argmax()))
        self.strength = np.append(self.strength, 0.0)
        self._settle()

    def drop_first(self) -> None:
        self.chosen, self.strength = self.chosen[1:], self.strength[1:]

    def _settle(self) -> None:
        """Alternate the tags' factors, the scatterers' strengths and the offsets."""
        for _ in range(ROUNDS):
            self._tags()
            count = len(self.chosen)
            links = self.ground.links(self.row.x_m[self.at], self.ground.grid[self.chosen])
            field = self.ground.field[self.chosen]
            target = (self.one_way - self.ground.direct[self.at]) * self.row.heard
            root = np.sqrt(self.weight[:, None] * self.row.heard)
            flat = (links.T[:, :, None] * field[:, None, :] * root).reshape(count, -1)
            normal = flat.conj() @ flat.T
            right = flat.conj() @ (target * root).ravel()
            ridge = RIDGE * float(np.trace(normal).real) / count * np.eye(count)
            self.strength = self.strength + DAMPING * (np.linalg.solve(normal + ridge, right) - self.strength)
            self._offsets()


def _pursued(ground: Ground, most: int, chance: float, rng: np.random.Generator) -> _Pursuit:
    fit = _Pursuit(ground, chance, rng)
    for _ in range(most):
        fit.add()
    for _ in range(most):
        fit.drop_first()
        fit.add()
    return fit
