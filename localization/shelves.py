"""Shelf by shelf: the joint fits of a block, and the places that come of them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.faces import rows_of
from localization.observations import Observations
from localization.placing import SIGMA_MOST_M, Places, Scores
from localization.profile import Fits, refine_all
from localization.shelf_choice import choose_shelves
from localization.shelf_fit import ShelfFit
from localization.shelf_group import ShelfGroup, group_shelves
from localization.shelf_scan import Block, ShelfScan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: So often tags may choose another shelf, whose fit then is another.
CHOICES = 2
#: Between a tag's best peak and its second, log-likelihood counts for so much, as what is left of phases is still
#: correlated (set on simulated shelves).
PEAK_SHARE = 0.55
#: How far ahead of second peaks (log-likelihood, median over its tags) a shelf's fit is in doubt as a whole: where its
#: phases (taken once) are left with little, and with much; and how steeply that ends. A tag of a shelf that was fitted
#: wrongly is so far off.
DOUBT_AHEAD, ROUGH_RAD, DOUBT_POWER, ASTRAY_M = (2.2, 4.5), (0.4, 0.6), 2.5, 0.4
#: A tag's second peak is so far off at least and at most; a chance of it that a bar leaves out, or reaches in full.
APART_M, LEFT_OUT = (0.1, 0.3), (0.05, 0.2)
#: What a tag is pulled by though its shelf's scatterers are known, as a share of the wavelengths that its shelf's tags
#: have left (set on simulated shelves of several metals and couplings), and what stays whatever the fit says.
JOINT_PULL_SHARE, TAG_SIGMA_M = 2.2, 0.003
#: Peaks nearer than this are one place.
ONE_PLACE_M = 0.05


@dataclass(frozen=True, slots=True)
class Refined:
    """What the joint fits made of a block.

    Attributes
    ----------
    places : Places
    observations : Observations
        With the scattered part taken out of the phases of tags on believed shelves.
    groups : tuple of ShelfGroup
    """

    places: Places
    observations: Observations
    groups: tuple[ShelfGroup, ...]


def refine_shelves(block: Block, scores: Scores, places: Places, kind: type[ShelfFit] = ShelfFit) -> Refined:
    """Fit every shelf with enough tags by a ``kind`` of fit, and place its tags anew where it is believed."""
    groups = group_shelves(block, places, kind=kind)
    believed = [group for group in groups if group.believed]
    if not believed:
        return Refined(places, block.observations, tuple(groups))
    for _ in range(CHOICES):
        places, changed = choose_shelves(block, scores, places, believed)
        if not changed:
            break
        left_or_joined = {(believed[n].face, believed[n].shelf) for n in changed}
        kept = [group for group in groups if (group.face, group.shelf) not in left_or_joined]
        groups = group_shelves(block, places, kept, kind)
        believed = [group for group in groups if group.believed]
        if not believed:
            return Refined(places, block.observations, tuple(groups))
    phase = block.observations.phase_rad.copy()
    for group in believed:
        rows = rows_of(block.candidates.start, places.candidate[group.members])
        phase[block.candidates.observation[rows]] += scattered(group.fit)
    cleared = dataclasses.replace(block.observations, phase_rad=phase)
    return Refined(_placed(block, cleared, places, believed), cleared, tuple(groups))


def mostly_believed(groups: tuple[ShelfGroup, ...]) -> bool:
    """Tell whether most of the tags that were fitted stand on believed shelves."""
    believed = sum(len(group.members) for group in groups if group.believed)
    return 2 * believed > sum(len(group.members) for group in groups)


def scattered(fit: ShelfFit) -> Floats:
    """Return what to add to the phases heard so that the direct way alone is left, shape (n,)."""
    direct, share = fit.shares()
    model = direct + share @ fit.sites.rho
    return fit.scan.fold * np.angle(model * direct.conj())


def _placed(block: Block, cleared: Observations, places: Places, believed: list[ShelfGroup]) -> Places:
    """Return the places with those of the believed shelves' tags, and their bars by what is left of the phases."""
    candidates, hypotheses, fits, weight = block.candidates, block.hypotheses, block.fits, block.weight
    members = np.concatenate([shelf.members for shelf in believed])
    offset = np.concatenate([shelf.fit.offset_m for shelf in believed])
    share, other = (np.concatenate(part) for part in zip(*(_peak(s.fit) for s in believed), strict=True))
    chosen = places.hypothesis[members]
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(hypotheses.start))
    starts = np.zeros(len(hypotheses.depth_m))
    starts[chosen] = offset
    observed = candidates.observation
    result = refine_all(
        candidates, owner, starts, hypotheses, chosen, cleared.wavenumber[observed],
        np.nan_to_num(cleared.phase_rad[observed]), weight,
    )  # fmt: skip
    variance, scale, cells = fits.variance.copy(), fits.scale_rad.copy(), fits.cells.copy()
    where, peak, second = fits.offset_m.copy(), fits.peak_share.copy(), fits.other_m.copy()
    variance[chosen], scale[chosen], cells[chosen] = result[:, 3], result[:, 4], result[:, 7]
    where[chosen], peak[chosen], second[chosen] = offset, share, other
    now = dataclasses.replace(
        fits, variance=variance, scale_rad=scale, cells=cells, offset_m=where, peak_share=peak, other_m=second
    )
    k = np.maximum.reduceat(cleared.wavenumber[observed], candidates.start[:-1])[owner]
    names = ("offset_m", "sigma_m", "scale_rad", "quality", "cells")
    columns = {name: getattr(places, name).copy() for name in names}
    columns["offset_m"][members] = offset
    columns["cells"][members] = cells[chosen]
    columns["sigma_m"][members] = _sigma(now, k, believed, chosen)
    columns["scale_rad"][members] = scale[chosen]
    explained, enough = np.exp(-0.5 * scale[chosen] ** 2), cells[chosen] / (cells[chosen] + 5.0)
    columns["quality"][members] = np.clip(explained * share * enough, 0.0, 1.0)
    return dataclasses.replace(places, **columns)


def _sigma(fits: Fits, wavenumber: Floats, believed: list[ShelfGroup], chosen: Ints) -> Floats:
    """Return one standard deviation of each jointly placed tag's offset, shape (members,).

    What pulls a tag now is what the shelf's scatterers leave: its own coupling with its neighbours, which moves its
    phases as one and shows in no residual of its own, but is as strong as what all the shelf's tags have left.
    """
    size = [len(group.members) for group in believed]
    # A phase a group, an offset, a depth and a height were fitted to those cells.
    spent = np.concatenate([groups_of(group.fit.scan) for group in believed]) + 3.0
    free = np.maximum(fits.cells[chosen] - spent, 0.25 * fits.cells[chosen])
    left = fits.scale_rad[chosen] * np.sqrt(fits.cells[chosen] / np.maximum(free, 1.0))
    usual = np.repeat([float(np.median(part)) for part in np.split(left, np.cumsum(size)[:-1])], size)
    few = fits.cells[chosen] / np.maximum(fits.cells[chosen] - 3.0, 0.5)
    pull = JOINT_PULL_SHARE * usual / wavenumber[chosen]
    own = fits.variance[chosen] * few + TAG_SIGMA_M**2 + pull**2
    doubt = np.concatenate([np.full(len(group.members), doubt_of(group.fit)) for group in believed])
    apart = np.clip(np.abs(fits.other_m - fits.offset_m)[chosen], APART_M[0], APART_M[1])
    reach = _reach(1.0 - fits.peak_share[chosen]) * apart**2 + _reach(doubt) * ASTRAY_M**2
    return np.minimum(np.sqrt(own + reach / 1.645**2), SIGMA_MOST_M)


def _reach(chance: Floats) -> Floats:
    """Tell how far a bar reaches to another place: a chance within what it leaves out anyway does not widen it."""
    return np.clip((chance - LEFT_OUT[0]) / (LEFT_OUT[1] - LEFT_OUT[0]), 0.0, 1.0)


def doubt_of(fit: ShelfFit) -> float:
    """Return the chance that a shelf's fit is a wrong one as a whole, by how far its tags' second peaks lie behind.

    Scatterers fitted to tags at wrong places hold them there; but then other places explain them nearly as well.
    """
    near = np.abs(fit.x - fit.offset_m[:, None]) < ONE_PLACE_M
    second = np.where(near, -np.inf, fit.log_likelihood).max(axis=1)
    ahead = max(float(np.median(fit.log_likelihood.max(axis=1) - second)), 0.0)
    single = float(np.median(fit.scale_rad[fit.owner] * 2.0 / fit.scan.fold))
    rough = min(max((single - ROUGH_RAD[0]) / (ROUGH_RAD[1] - ROUGH_RAD[0]), 0.0), 1.0)
    enough = DOUBT_AHEAD[0] + (DOUBT_AHEAD[1] - DOUBT_AHEAD[0]) * rough
    return math.exp(-((ahead / enough) ** DOUBT_POWER))


def groups_of(scan: ShelfScan) -> Floats:
    """Return how many unknown phases each tag of a scan has, shape (i,)."""
    begins = np.append(True, np.diff(scan.group) != 0)
    return np.bincount(scan.owner[begins], minlength=len(scan)).astype(np.float64)


def _peak(fit: ShelfFit) -> tuple[Floats, Floats]:
    """Return the share of each tag's posterior at its place, and where the next best place is."""
    value, x = fit.log_likelihood, fit.x
    near = np.abs(x - fit.offset_m[:, None]) < ONE_PLACE_M
    rest = np.where(near, -np.inf, value)
    ahead = np.maximum(value.max(axis=1) - rest.max(axis=1), 0.0)
    share = 1.0 - 0.5 * np.exp(-PEAK_SHARE * ahead)
    other = x[rest.argmax(axis=1)]
    return share, other
