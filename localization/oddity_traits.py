"""What a block's tags show beside their places: fitted freely, followed along the track, held beside neighbours."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from localization.differences import find_differences
from localization.faces import Candidates, Frames, rows_of
from localization.hypotheses import Hypotheses
from localization.observations import Observations
from localization.oddity_kernels import free_fit
from localization.placing import FEW_CELLS, Places, freed
from localization.profile import weigh
from localization.signal_model import CORRELATION_M, FADING_DB

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Spread of the free fit's priors: of depth and height about the place, and of the turn (1: lies along the shelf).
DEPTH_SIGMA_M, HEIGHT_SIGMA_M, TURN_SIGMA = 0.20, 0.12, 1.0
#: Spread of how RSSI falls off to the sides, in the lying dipole's measure, before anything is heard.
FALL_SIGMA = 2.0
#: Depths the free fit begins at: in the row, behind it, before it.
BEGIN_DEPTH_M = (0.0, 0.115, -0.2)
#: Cells that the free fit's unknowns take up beside every group's own phase: offset, depth, height and turn.
FREE_CELLS = 4.0
#: A fit has cells to spare where it has so many more; so many such fits tell what is usual.
SPARE_CELLS, FEW_FITS = 4.0, 20
#: An antenna hears best what is so far before it.
BEFORE_M = 0.5


@dataclass(frozen=True, slots=True)
class Traits:
    """What ``n`` tags of a block show, and ``d`` pairs of neighbours.

    Attributes
    ----------
    tag : int64 array, shape (n,)
        Index into the recording's ``readings.tags``.
    face, shelf, level : int64 array, shape (n,)
        Where it was placed, as ``Places`` has it; face -1: nowhere.
    offset_m, sigma_m, height_m, nominal_m, strength_db : float64 array, shape (n,)
        Its place; the height its hypothesis expected; how strong it would be. NaN: nowhere.
    fit : float64 array, shape (n, 4)
        Depth, height and turn by its phases alone, and by its RSSI how far it falls off to the sides as a lying
        dipole does (1) rather than an upright one (0); NaN: too few readings.
    covariance : float64 array, shape (n, 4, 4)
    scale_rad : float64 array, shape (n,)
        Residual of that fit; NaN likewise.
    spread_m : float64 array, shape (n,)
        Standard deviation of where it was heard, by power.
    alike : float64 array, shape (n,)
        How far its phases stay the same wherever the robot is: 1 always, 0 as if drawn (``Traits.stretches`` of them).
    stretches : float64 array, shape (n,)
    foreign : bool array, shape (n,)
        Of another numbering than the library's.
    first, second : int64 array, shape (d,)
        Pairs of neighbours, indices into ``readings.tags``.
    apart_m, apart_variance : float64 array, shape (d,)
        Offset of ``second`` less that of ``first`` by their phases' differences.
    """

    tag: Ints
    face: Ints
    shelf: Ints
    level: Ints
    offset_m: Floats
    sigma_m: Floats
    height_m: Floats
    nominal_m: Floats
    strength_db: Floats
    fit: Floats
    covariance: Floats
    scale_rad: Floats
    spread_m: Floats
    alike: Floats
    stretches: Floats
    foreign: Bools
    first: Ints
    second: Ints
    apart_m: Floats
    apart_variance: Floats

    def __len__(self) -> int:
        return len(self.tag)

    @classmethod
    def concat(cls, parts: list[Traits]) -> Traits:
        """Join the traits of several blocks."""
        if not parts:
            raise ValueError("there are no traits to join")
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))


def traits_of(
    observations: Observations,
    candidates: Candidates,
    joined: tuple[Observations, Candidates],
    hypotheses: Hypotheses | None,
    places: Places,
    frames: Frames,
    foreign: Bools,
) -> Traits:
    """Collect what the tags of a block show.

    Parameters
    ----------
    observations, candidates : Observations, Candidates
    joined : Observations, Candidates
        The same with the passes joined, where they can be.
    hypotheses : Hypotheses or None
        None: no tag was placed.
    places : Places
        By this block's candidates.
    frames : Frames
        Before a plane that no plan names, nothing is known of rows: as if the tags had no place.
    foreign : bool array, shape (tags of the recording,)
        Tags of another numbering than the library's: their neighbours are compared.
    """
    n = len(observations.first) - 1
    spread, alike, stretches = _along_track(observations)
    at = places.tag
    none = np.full(n, np.nan)
    columns = {name: none.copy() for name in ("offset", "sigma", "height", "nominal", "strength", "scale")}
    whole = {name: np.full(n, -1, np.int64) for name in ("face", "shelf", "level")}
    fit, covariance = np.full((n, 4), np.nan), np.full((n, 4, 4), np.nan)
    pairs = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    if len(at) and hypotheses is not None and frames.ids[0] is not None:
        columns["offset"][at], columns["sigma"][at] = places.offset_m, places.sigma_m
        columns["height"][at], columns["strength"][at] = places.height_m, places.strength_db
        columns["nominal"][at] = hypotheses.height_m[places.hypothesis]
        whole["face"][at], whole["shelf"][at] = places.face, places.shelf
        whole["level"][at] = hypotheses.level[places.hypothesis]
        told = np.flatnonzero(places.cells >= FEW_CELLS)
        fit[at[told]], covariance[at[told]], columns["scale"][at[told]] = _free(
            *joined, places, told, columns["nominal"][at], weigh(*joined)
        )
        pairs = _pairs(observations, candidates, places, foreign)
    return Traits(
        tag=observations.tag,
        face=whole["face"],
        shelf=whole["shelf"],
        level=whole["level"],
        offset_m=columns["offset"],
        sigma_m=columns["sigma"],
        height_m=columns["height"],
        nominal_m=columns["nominal"],
        strength_db=columns["strength"],
        fit=fit,
        covariance=covariance,
        scale_rad=columns["scale"],
        spread_m=spread,
        alike=alike,
        stretches=stretches,
        foreign=foreign[observations.tag],
        first=pairs[0],
        second=pairs[1],
        apart_m=pairs[2],
        apart_variance=pairs[3],
    )


def _free(
    observations: Observations,
    candidates: Candidates,
    places: Places,
    told: Ints,
    nominal_m: Floats,
    weight: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Fit depth, height and turn of the tags told; return them without their priors, their covariance, the scale."""
    chosen = places.candidate[told]
    rows = rows_of(candidates.start, chosen)
    start = np.concatenate([[0], np.cumsum(np.diff(candidates.start)[chosen])]).astype(np.int64)
    obs = candidates.observation[rows]
    phase = observations.phase_rad[obs]
    weights = np.where(np.isfinite(phase), weight[rows], 0.0)
    n = len(told)
    zero = np.zeros(n)
    centre = np.column_stack([places.offset_m[told], zero, nominal_m[told], zero])
    sigma = np.array([np.inf, DEPTH_SIGMA_M, HEIGHT_SIGMA_M, TURN_SIGMA])
    best, information = np.full((n, 7), np.inf), np.zeros((n, 4, 4))
    for depth in BEGIN_DEPTH_M:
        begin = np.column_stack([places.offset_m[told], zero + depth, places.height_m[told], zero])
        out, covariance = np.zeros((n, 7)), np.zeros((n, 4, 4))
        free_fit(
            start, candidates.u[rows], candidates.h[rows], candidates.z[rows], observations.wavenumber[obs],
            np.nan_to_num(phase), weights, candidates.group[rows], np.where(observations.doubled[obs], 2.0, 1.0),
            begin, centre, sigma, out, covariance,
        )  # fmt: skip
        better = out[:, 4] < best[:, 4]
        best[better], information[better] = out[better], covariance[better]
    # What the phases alone say: the priors' pull taken back.
    move = (best[:, :4] - centre) / sigma**2
    alone = best[:, :4] + np.einsum("nij,nj->ni", information, move)
    # From few cells a free fit leaves nothing of the phases, whether it is right or not.
    taken = np.maximum.reduceat(candidates.group[rows], start[:-1]) + 1 + FREE_CELLS if n else np.zeros(0)
    loose = _freed(best[:, 5], places.cells[told], taken) / best[:, 5]
    information *= loose[:, None, None] ** 2
    fall, variance = _fall(observations, candidates, places, told)
    whole = np.zeros((n, 4, 4))
    whole[:, :3, :3], whole[:, 3, 3] = information[:, 1:, 1:], variance
    return np.column_stack([alone[:, 1:], fall]), whole, best[:, 5]


def _freed(scale_rad: Floats, cells: Floats, taken: Floats) -> Floats:
    """Return the residual scales, rad, for the cells that the fits' unknowns took up; all of shape (p,).

    What fits that have cells to spare usually leave is supposed of the others.
    """
    spare = cells - taken
    told = spare >= SPARE_CELLS
    if int(told.sum()) < FEW_FITS:
        return freed(scale_rad, cells, taken)
    usual = float(np.median(scale_rad[told] * np.sqrt(cells[told] / spare[told])))
    return freed(scale_rad, cells, taken, usual)


def _fall(
    observations: Observations, candidates: Candidates, places: Places, told: Ints
) -> tuple[Floats, Floats]:
    """Return how far each tag's RSSI falls off as a lying dipole's, and the variance of that.

    Two way, an upright dipole's field falls by the square of the sine of the angle from the vertical, a lying one's
    by that from the shelf (C. A. Balanis, *Antenna Theory*, 4th ed., section 4.2). What is common to a run's tags of
    one level (the antenna's pattern, how a chip's answer follows its power) shifts all of them alike.
    """
    chosen = places.candidate[told]
    rows = rows_of(candidates.start, chosen)
    size = np.diff(candidates.start)[chosen]
    owner = np.repeat(np.arange(len(told)), size)
    obs = candidates.observation[rows]
    du = np.repeat(places.offset_m[told], size) - candidates.u[rows]
    dz = np.repeat(places.height_m[told], size) - candidates.z[rows]
    square = du**2 + dz**2 + (np.repeat(places.depth_m[told], size) + candidates.h[rows]) ** 2
    lying, upright = np.maximum(1.0 - du**2 / square, 0.05), np.maximum(1.0 - dz**2 / square, 0.05)
    feature = 20.0 * np.log10(lying / upright)
    value = observations.rssi_dbm[obs] + 20.0 * np.log10(square)
    weight = 1.0 / candidates.density[rows]
    # Each antenna has its own level.
    key = owner * 256 + observations.antenna[obs]
    _, group = np.unique(key, return_inverse=True)
    total = np.bincount(group, weight)
    feature = feature - (np.bincount(group, weight * feature) / total)[group]
    value = value - (np.bincount(group, weight * value) / total)[group]
    n = len(told)
    information = np.bincount(owner, weight * feature**2, n) / FADING_DB**2
    pull = np.bincount(owner, weight * feature * value, n) / FADING_DB**2
    variance = 1.0 / (information + 1.0 / FALL_SIGMA**2)
    return pull * variance, variance


def _pairs(
    observations: Observations, candidates: Candidates, places: Places, foreign: Bools
) -> tuple[Ints, Ints, Floats, Floats]:
    """Compare the foreign tags with their neighbours."""
    strange = foreign[observations.tag[places.tag]]
    if not strange.any():
        none = np.zeros(0, np.int64)
        return none, none, np.zeros(0), np.zeros(0)
    found = find_differences(observations, candidates, places, weigh(observations, candidates))
    keep = strange[found.first] | strange[found.second]
    tag = observations.tag[places.tag]
    return tag[found.first[keep]], tag[found.second[keep]], found.apart_m[keep], found.variance[keep]


def _along_track(observations: Observations) -> tuple[Floats, Floats, Floats]:
    """Return how far apart each tag was heard, how alike its phases stay, and the stretches that say so."""
    o = observations
    n = len(o.first) - 1
    tag = np.repeat(np.arange(n), np.diff(o.first))
    cell = np.floor(o.way_m / CORRELATION_M).astype(np.int64)
    order = np.lexsort((cell, o.antenna, tag))
    key = np.stack([tag[order], o.antenna[order], cell[order]])
    begins = np.flatnonzero(np.append(True, np.any(key[:, 1:] != key[:, :-1], axis=0))) if len(o) else order
    if len(begins) == 0:
        return np.zeros(n), np.zeros(n), np.zeros(n)
    size = np.diff(np.append(begins, len(o)))
    power = np.maximum.reduceat(10.0 ** (o.rssi_dbm[order] / 10.0), begins)
    spot = o.position_m[order, :2] + BEFORE_M * o.look[order, :2]
    spot = np.add.reduceat(spot, begins) / size[:, None]
    owner, antenna = tag[order][begins], o.antenna[order][begins]
    total = np.bincount(owner, power, n)
    middle = np.stack([np.bincount(owner, power * spot[:, i], n) for i in range(2)], axis=1)
    middle /= np.maximum(total, 1e-300)[:, None]
    square = np.bincount(owner, power * ((spot - middle[owner]) ** 2).sum(axis=1), n)
    spread = np.sqrt(square / np.maximum(total, 1e-300))
    # Alike: of all pairs of stretches of one antenna, the mean cosine of their phases' difference.
    known = np.isfinite(o.phase_rad[order])
    turn = np.add.reduceat(np.where(known, np.exp(1j * np.nan_to_num(o.phase_rad[order])), 0.0), begins)
    told = np.abs(turn) > 1e-9
    unit = np.where(told, turn / np.maximum(np.abs(turn), 1e-9), 0.0)
    group = owner * 256 + antenna
    first = np.flatnonzero(np.append(True, np.diff(group) != 0))
    count = np.add.reduceat(told.astype(np.float64), first)
    same = np.abs(np.add.reduceat(unit, first)) ** 2 - count
    of_tag = owner[first]
    pairs = np.bincount(of_tag, count * (count - 1.0), n)
    alike = np.bincount(of_tag, same, n) / np.maximum(pairs, 1.0)
    return spread, alike, np.asarray(np.bincount(of_tag, count, n), np.float64)


def foreign_tags(tags: tuple[str, ...]) -> Bools:
    """Mark the tags whose EPC begins as hardly any other of the run does, where most begin alike.

    A library numbers its tags by one scheme (their first 16 bits: header and filter of EPC Tag Data Standard, section
    14, or its own); a tag of another came from elsewhere, or is the book's from before.

    Returns one flag a tag, shape (tags,).
    """
    if not tags:
        return np.zeros(0, np.bool_)
    begins = np.array([epc[:4] for epc in tags])
    _, number, count = np.unique(begins, return_inverse=True, return_counts=True)
    if count.max() < 0.8 * len(tags):
        return np.zeros(len(tags), np.bool_)
    return count[number] < max(0.05 * len(tags), 2)
