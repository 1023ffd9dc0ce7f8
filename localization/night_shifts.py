"""What all tags of a stretch of a face are off by in one night and not in another: poses, clock, the map laid anew.

A night's shift at a place is how far its tags stand there from where all nights together have them. It is one constant
a face, found robustly, and what is left of it along the face, smoothed over the reach of a pose's drift and shrunk by
how much of it is noise (its strength is told by how alike neighbouring tags are, as in the moment estimator of
DerSimonian and Laird, Controlled Clinical Trials 7, 1986).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.night_table import NightTable

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: A shift is taken from the tags about this far along the face.
REACH_M = 0.7
#: Two tags so near each other along a face feel the same shift.
NEAR_M = 0.3
#: Residuals count up to so many robust deviations.
CLIP = 2.5
#: A face and night's constant needs so many tags in common with other nights.
FEWEST_TAGS = 3
#: However much nights differ, so much of what is stated to be shared may come back every night.
COMES_BACK = 0.5
#: Grid of the shifts along a face.
GRID_M = 0.1
ROUNDS = 4
MAD = 1.4826


@dataclass(frozen=True, slots=True)
class Shifts:
    """How far each night is off along each face against all nights together.

    Attributes
    ----------
    constant_m : float64 array, shape (faces, k)
        NaN where a night has too little in common with others.
    grid_m : list of float64 arrays, shape (cells, k)
        A face's shifts on a grid of ``GRID_M``, constants included; zero where nothing is known.
    spread_m : float
        Deviation of faces' constants from night to night; NaN with one night.
    own, alt : float64 array, shape (t, k)
        Shift at each tag's place and at its second best.
    """

    constant_m: Floats
    grid_m: list[Floats]
    spread_m: float
    own: Floats
    alt: Floats

    def at_tags(self, second: bool | Bools) -> Floats:
        """Return the shift at each tag's place, or at its second best one where told so, shape (t, k)."""
        return np.where(second, self.alt, self.own)

    def common_sigma(self, weight: Floats, table: NightTable) -> Floats:
        """Return what the combined places of neighbours share, shape (t,).

        What is seen to differ from night to night averages out; what is not may come back every night, as an antenna's
        phase centre and a turned map do.
        """
        stated = np.where(weight > 0.0, np.nan_to_num(table.sigma_common_m), 0.0)
        variance = (weight * stated**2).sum(axis=1)
        if not np.isfinite(self.spread_m):
            return np.sqrt(variance)
        own = self.spread_m**2
        back = np.maximum(variance - own, COMES_BACK * variance)
        return np.sqrt(back + own * (weight**2).sum(axis=1))


def find_shifts(table: NightTable) -> Shifts:
    """Find each night's shifts by the tags that stand still."""
    count = table.place.shape[1]
    faces = len(table.face_ids)
    constant = np.full((faces, count), np.nan)
    grids = [np.zeros((int(np.ceil(face.length_m / GRID_M)) + 1, count)) for face in table.plan.faces]
    still = _standing_still(table)
    face_of = np.where(table.place >= 0, table.face_of_place[np.maximum(table.place, 0)], -1)
    for face in range(faces):
        rows = np.flatnonzero((still & (face_of == face)).sum(axis=1) >= 2)
        if len(rows):
            constant[face], grids[face] = _of_face(
                np.where(still[rows], table.offset_m[rows], np.nan), table.sigma_local_m[rows],
                table.sigma_common_m[rows], len(grids[face]),
            )  # fmt: skip
    own, alt = (_look_up(table, grids, place, offset) for place, offset in (
        (table.place, table.offset_m), (table.alt_place, table.alt_offset_m),
    ))  # fmt: skip
    return Shifts(constant, grids, _spread(constant), own, alt)


def _standing_still(table: NightTable) -> Bools:
    """Tell the nights that have each tag on the shelf where most nights have it, shape (t, k)."""
    votes = (table.place[:, :, None] == table.place[:, None, :]).sum(axis=2)
    votes = np.where(table.place >= 0, votes, 0)
    most = np.argmax(votes, axis=1)
    usual = table.place[np.arange(len(votes)), most]
    return (table.place == usual[:, None]) & (table.place >= 0)


def _of_face(offset: Floats, sigma: Floats, common: Floats, cells: int) -> tuple[Floats, Floats]:
    """Return a face's constants, shape (k,), and its shifts on the grid, shape (cells, k)."""
    count = offset.shape[1]
    seen = np.isfinite(offset)
    enough = seen.sum(axis=0) >= FEWEST_TAGS
    offset = np.where(enough, offset, np.nan)
    seen = np.isfinite(offset)
    rows = seen.sum(axis=1) >= 2
    offset, sigma, common, seen = offset[rows], sigma[rows], common[rows], seen[rows]
    constant = np.zeros(count)
    grid = np.zeros((cells, count))
    if not len(offset):
        return np.full(count, np.nan), grid
    # A night that says of itself that it shares more is believed less of where all of them lie.
    voice = np.array([
        1.0 / max(float(np.median(common[seen[:, k], k])), 0.005) ** 2 if seen[:, k].any() else 0.0
        for k in range(count)
    ])  # fmt: skip
    for _ in range(ROUNDS):
        middle = _middle(offset - constant, sigma)
        for k in np.flatnonzero(enough).tolist():
            constant[k] = float(np.median((offset[:, k] - middle)[seen[:, k]]))
        constant -= np.average(constant, weights=voice)
    left = offset - constant - _middle(offset - constant, sigma)[:, None]
    where = np.nanmean(offset, axis=1)
    for k in np.flatnonzero(enough).tolist():
        grid[:, k] = _smooth(where[seen[:, k]], left[seen[:, k], k], cells)
    known = enough & (voice > 0.0)
    grid[:, known] -= np.average(grid[:, known], axis=1, weights=voice[known])[:, None]
    grid[:, known] += constant[known]
    return np.where(enough, constant, np.nan), grid


def _middle(offset: Floats, sigma: Floats) -> Floats:
    """Return where the nights have each tag together: their median; the weighted mean of two, shape (t,)."""
    weight = np.where(np.isfinite(offset), 1.0 / np.maximum(sigma, 1e-3) ** 2, 0.0)
    mean = (weight * np.nan_to_num(offset)).sum(axis=1) / weight.sum(axis=1)
    return np.where(np.isfinite(offset).sum(axis=1) > 2, np.nanmedian(offset, axis=1), mean)


def _smooth(where: Floats, left: Floats, cells: int) -> Floats:
    """Return residuals smoothed along a face on its grid, shrunk by how much of them is noise, shape (cells,)."""
    scale = MAD * float(np.median(np.abs(left)))
    if len(left) < 2 * FEWEST_TAGS or scale == 0.0:
        return np.zeros(cells)
    value = np.clip(left, -CLIP * scale, CLIP * scale)
    noise = float(np.mean(value**2))
    order = np.argsort(where)
    near = np.diff(where[order]) <= NEAR_M
    if not near.any():
        return np.zeros(cells)
    alike = max(float(np.mean((value[order][1:] * value[order][:-1])[near])), 0.0)
    at = GRID_M * np.arange(cells)
    kernel = np.exp(-0.5 * ((at[:, None] - where[None, :]) / REACH_M) ** 2)
    total = kernel.sum(axis=1)
    mean = (kernel @ value) / np.maximum(total, 1e-12)
    spent = (kernel**2).sum(axis=1) / np.maximum(total, 1e-12) ** 2 * max(noise - alike, 0.0)
    return mean * alike / np.maximum(alike + spent, 1e-12)


def _spread(constant: Floats) -> float:
    """Return the deviation of faces' constants from night to night, pooled over faces."""
    known = np.isfinite(constant)
    several = known.sum(axis=1) > 1
    if not several.any():
        return float("nan")
    square, freedom = 0.0, 0
    for row in constant[several]:
        values = row[np.isfinite(row)]
        square += float(((values - values.mean()) ** 2).sum())
        freedom += len(values) - 1
    return float(np.sqrt(square / freedom))


def _look_up(table: NightTable, grids: list[Floats], place: Ints, offset: Floats) -> Floats:
    out = np.zeros(place.shape)
    for k in range(place.shape[1]):
        known = np.flatnonzero((place[:, k] >= 0) & np.isfinite(offset[:, k]))
        face = table.face_of_place[place[known, k]]
        for number in np.unique(face).tolist():
            rows = known[face == number]
            grid = grids[number][:, k]
            out[rows, k] = np.interp(offset[rows, k], GRID_M * np.arange(len(grid)), grid)
    return out
