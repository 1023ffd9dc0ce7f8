"""Shelf by shelf: the joint fits of a block, and the places that come of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from localization.bars import Together, together_sigma
from localization.faces import rows_of
from localization.observations import Observations
from localization.placing import SIGMA_MOST_M, Places, Scores, freed, taken_cells
from localization.profile import refine_all
from localization.shelf_choice import choose_shelves
from localization.shelf_fit import ShelfFit
from localization.shelf_group import ShelfGroup, Starts, group_shelves, starts_of
from localization.shelf_scan import Block, ShelfScan
from localization.shelf_swing import swings_of, widened_alone
from localization.steps import Progress, halving, silent

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

#: So often tags may choose another shelf, whose fit then is another.
CHOICES = 2
#: Between a tag's best peak and its second, log-likelihood counts for so much, as what is left of phases is still
#: correlated (set on simulated shelves).
PEAK_SHARE = 0.55
#: What stays in a jointly placed tag's offset whatever the fit says.
TAG_SIGMA_M = 0.004
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
    members : int64 array, shape (i,)
        Rows of the places that were placed with their shelves.
    told : Together or None
        What their bars were made of; None: none was.
    """

    places: Places
    observations: Observations
    groups: tuple[ShelfGroup, ...]
    members: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    told: Together | None = None


def refine_shelves(
    block: Block,
    scores: Scores,
    places: Places,
    kind: type[ShelfFit] = ShelfFit,
    *,
    choices: int = CHOICES,
    starts: Starts = MappingProxyType({}),
    jobs: int = 1,
    tell: Progress = silent,
) -> Refined:
    """Fit every shelf with enough tags by a ``kind`` of fit, and place its tags anew where it is believed.

    Parameters
    ----------
    block : Block
    scores : Scores
    places : Places
    kind : type of ShelfFit
    choices : int
        How often tags may choose another shelf.
    starts : mapping
        What is known of shelves' scatterers, by face and shelf, where the block was fitted before.
    jobs : int
        Threads.
    tell : callable(share, text)
        Told of every shelf.
    """
    following = halving(tell, 0.0, 1.0)
    groups = group_shelves(block, places, kind, starts=starts, jobs=jobs, tell=following())
    believed = [group for group in groups if group.believed]
    if not believed:
        return _each_alone(block, places, groups)
    for _ in range(choices):
        places, changed = choose_shelves(block, scores, places, believed)
        if not changed:
            break
        left_or_joined = {(believed[n].face, believed[n].shelf) for n in changed}
        kept = [group for group in groups if (group.face, group.shelf) not in left_or_joined]
        # A tag more or less leaves a shelf's metal nearly where it was found.
        groups = group_shelves(
            block, places, kind, kept=kept, starts=starts_of(believed), jobs=jobs, tell=following()
        )
        believed = [group for group in groups if group.believed]
        if not believed:
            return _each_alone(block, places, groups)
    phase, models = block.observations.phase_rad.copy(), [modelled(group.fit) for group in believed]
    for group, (direct, model) in zip(believed, models, strict=True):
        rows = rows_of(block.candidates.start, places.candidate[group.members])
        turned = group.fit.scan.fold * np.angle(model * direct.conj())
        phase[block.candidates.observation[rows]] += turned
    cleared = dataclasses.replace(block.observations, phase_rad=phase)
    places, told = _placed(block, cleared, places, believed, [np.abs(model) for _, model in models])
    members = np.concatenate([group.members for group in believed])
    return Refined(places, cleared, tuple(groups), members, told)


def _each_alone(block: Block, places: Places, groups: list[ShelfGroup]) -> Refined:
    """Return the places as they were found, no surer than loudness lets them be."""
    none = np.zeros(0, np.int64)
    places = widened_alone(block, places, swings_of(block, places), none)
    return Refined(places, block.observations, tuple(groups))


def mostly_believed(groups: tuple[ShelfGroup, ...]) -> bool:
    """Tell whether most of the tags that were fitted stand on believed shelves."""
    believed = sum(len(group.members) for group in groups if group.believed)
    return 2 * believed > sum(len(group.members) for group in groups)


def modelled(fit: ShelfFit) -> tuple[Complex, Complex]:
    """Return the direct field of each observation, and that of the whole model, two of shape (n,)."""
    direct, share = fit.shares()
    return direct, direct + share @ fit.sites.rho


def _placed(
    block: Block, cleared: Observations, places: Places, believed: list[ShelfGroup], amplitude: list[Floats]
) -> tuple[Places, Together]:
    """Return the places with those of the believed shelves' tags, and what their bars were made of.

    ``amplitude`` is that of each shelf's fit.
    """
    candidates, hypotheses, fits, weight = block.candidates, block.hypotheses, block.fits, block.weight
    members = np.concatenate([shelf.members for shelf in believed])
    offset = np.concatenate([shelf.fit.offset_m for shelf in believed])
    ahead = np.concatenate([_ahead(shelf.fit) for shelf in believed])
    chosen = places.hypothesis[members]
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(hypotheses.start))
    starts = np.zeros(len(hypotheses.depth_m))
    starts[chosen] = offset
    observed = candidates.observation
    result = refine_all(
        candidates, owner, starts, hypotheses, chosen, cleared.wavenumber[observed],
        np.nan_to_num(cleared.phase_rad[observed]), weight,
    )  # fmt: skip
    variance, scale, cells = result[:, 3], result[:, 4], result[:, 7]
    k = np.maximum.reduceat(cleared.wavenumber[observed], candidates.start[:-1])[owner]
    names = ("offset_m", "sigma_m", "scale_rad", "quality", "cells")
    columns = {name: getattr(places, name).copy() for name in names}
    columns["offset_m"][members] = offset
    columns["cells"][members] = cells
    # Tags placed by themselves keep their places, but loudness may say that these are less sure.
    moved = dataclasses.replace(places, offset_m=columns["offset_m"])
    fitted = [(group.members, field) for group, field in zip(believed, amplitude, strict=True)]
    told_by = swings_of(block, moved, fitted)
    columns["sigma_m"] = widened_alone(block, places, told_by, members).sigma_m.copy()
    # A phase a group, an offset, a depth and a height were fitted to those cells.
    spent = np.concatenate([groups_of(group.fit.scan) for group in believed]) + 3.0
    told = Together(
        shelf=np.repeat(np.arange(len(believed)), [len(group.members) for group in believed]),
        offset_m=offset,
        variance=variance,
        left_rad=freed(scale, cells, spent),
        alone_m=freed(fits.scale_rad[chosen], fits.cells[chosen], taken_cells(candidates, places)[members])
        / k[chosen],
        cells=cells,
        wavenumber=k[chosen],
        ahead=ahead,
        swings=told_by.select(members),
    )
    sigma, astray = together_sigma(told, TAG_SIGMA_M)
    columns["sigma_m"][members] = np.minimum(sigma, SIGMA_MOST_M)
    columns["scale_rad"][members] = scale
    explained, enough = np.exp(-0.5 * scale**2), cells / (cells + 5.0)
    share = (1.0 - 0.5 * np.exp(-PEAK_SHARE * ahead)) * (1.0 - astray)
    columns["quality"][members] = np.clip(explained * share * enough, 0.0, 1.0)
    return dataclasses.replace(places, **columns), told


def groups_of(scan: ShelfScan) -> Floats:
    """Return how many unknown phases each tag of a scan has, shape (i,)."""
    begins = np.append(True, np.diff(scan.group) != 0)
    return np.bincount(scan.owner[begins], minlength=len(scan)).astype(np.float64)


def _ahead(fit: ShelfFit) -> Floats:
    """Return by how much each tag's best peak is likelier (log) than any farther off, shape (i,)."""
    near = np.abs(fit.x - fit.offset_m[:, None]) < ONE_PLACE_M
    rest = np.where(near, -np.inf, fit.log_likelihood)
    return np.maximum(fit.log_likelihood.max(axis=1) - rest.max(axis=1), 0.0)
