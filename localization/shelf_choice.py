"""Which of the fitted shelves a tag stands on: a shelf's scatterers fit its own tags alone.

A tag that multipath put on the wrong level or side is found out once the shelves' scatterers are known: on its own
shelf they explain its phases, on any other they do not. Each tag in doubt visits the shelves it may stand on.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.choice import Boards
from localization.placing import FEW_CELLS, Places, Scores
from localization.shelf_fit import ShelfFit
from localization.shelf_group import SLACK_M, ShelfGroup, log_prior
from localization.shelf_scan import Block, scan_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Shelves a tag is this unlikely to stand on, by what was known before, are not visited.
LEAST_P = 1e-4
#: Log-likelihood by phases counts for so much between levels of one face (its residuals are correlated),
LEVEL_SHARE = 0.5
#: and between faces, where other readings speak, for so much and no more.
FACE_SHARE, FACE_MOST = 0.25, 8.0
#: A tag may stand in any bay this near to where it was heard best: where its own phases put it decides nothing.
BAY_REACH_M = 0.3
#: Log-likelihood of a residual under the Student-t (4 degrees of freedom, without its scale) against any phase being
#: as likely: log(3/8) + log(2 pi).
PHASE_BASE = 0.857
#: Residual scale of a visitor before its own is known, rad.
VISITOR_RAD = 0.35


@dataclass(frozen=True, slots=True)
class _Visits:
    """One row a tag and shelf: the row of the places, the shelf's number, the hypothesis, and what was found."""

    place: Ints
    group: Ints
    hypothesis: Ints
    log_p: Floats
    evidence: Floats
    offset_m: Floats


def evidence(fit: ShelfFit) -> Floats:
    """Return each tag's log-likelihood against phases that tell nothing, shape (i,)."""
    total = np.bincount(fit.owner, fit.scan.weight, len(fit.scan))
    return fit.log_likelihood.max(axis=1) + total * (PHASE_BASE - np.log(fit.scale_rad))


def choose_shelves(
    block: Block, scores: Scores, places: Places, groups: list[ShelfGroup]
) -> tuple[Places, set[int]]:
    """Move tags to the shelf whose scatterers explain them.

    Returns
    -------
    places : Places
        With other faces, shelves, offsets and posteriors where another shelf is likelier.
    changed : set of int
        Numbers of the groups that tags left or joined.
    """
    visits = _visit(block, scores, places, groups)
    boards = Boards.of(block.frames)
    columns = {f.name: getattr(places, f.name).copy() for f in dataclasses.fields(places)}
    changed: set[int] = set()
    number = {(group.face, group.shelf): n for n, group in enumerate(groups)}
    for place in np.unique(visits.place):
        mine = np.flatnonzero(visits.place == place)
        if len(mine) < 2:
            continue
        own = number.get((int(places.face[place]), int(places.shelf[place])), -1)
        home = np.flatnonzero(
            (visits.hypothesis[mine] == places.hypothesis[place]) & (visits.group[mine] == own)
        )
        if len(home) == 0:
            continue
        more = visits.evidence[mine] - visits.evidence[mine[home[0]]]
        sigma = float(places.sigma_m[place])
        same = block.candidates_of(visits.hypothesis[mine]) == places.candidate[place]
        gain = np.where(same, LEVEL_SHARE * more, np.clip(FACE_SHARE * more, -FACE_MOST, FACE_MOST))
        log_p = visits.log_p[mine] + gain
        # A tag beside a bay's end may stand on the next one, and beyond it does.
        within = np.array([
            boards.inside(
                groups[visits.group[m]].face, groups[visits.group[m]].shelf, float(visits.offset_m[m]), sigma
            )
            for m in mine
        ])  # fmt: skip
        log_p = log_p + np.log(np.maximum(within, LEAST_P))
        p = np.exp(log_p - np.logaddexp.reduce(log_p))
        # What was not visited keeps its share.
        every = np.unique(visits.hypothesis[mine], return_index=True)[1]
        known = float(np.exp(np.logaddexp.reduce(visits.log_p[mine][every])))
        order = np.argsort(-p)
        first, second = mine[order[0]], mine[order[1]]
        to = groups[visits.group[first]]
        if first != mine[home[0]]:
            changed |= {int(visits.group[mine[home[0]]]), int(visits.group[first])}
            columns["hypothesis"][place] = visits.hypothesis[first]
            columns["candidate"][place] = block.candidates_of(visits.hypothesis[first : first + 1])[0]
            columns["face"][place], columns["shelf"][place] = to.face, to.shelf
            columns["offset_m"][place] = visits.offset_m[first]
            y = visits.hypothesis[first]
            columns["height_m"][place], columns["depth_m"][place] = (
                block.hypotheses.height_m[y],
                block.fits.depth_m[y],
            )
            columns["scale_rad"][place], columns["cells"][place] = (
                block.fits.scale_rad[y],
                block.fits.cells[y],
            )
            columns["strength_db"][place] = scores.strength_db[y]
        # Where the bay beside it was visited as well, that is counted already.
        beside = (visits.hypothesis[mine] == visits.hypothesis[first]).sum() > 1
        inside = 1.0 if beside else float(within[order[0]])
        columns["p"][place] = p[order[0]] * min(known, 1.0) * inside
        other, p_other = groups[visits.group[second]], p[order[1]] * min(known, 1.0)
        visited = any((groups[visits.group[m]].face, groups[visits.group[m]].shelf)
                      == (places.alt_face[place], places.alt_shelf[place]) for m in mine)  # fmt: skip
        if visited or not places.p_alt[place] > p_other:
            columns["alt_face"][place], columns["alt_shelf"][place] = other.face, other.shelf
            columns["alt_offset_m"][place], columns["p_alt"][place] = visits.offset_m[second], p_other
    return dataclasses.replace(places, **columns), changed


def _visit(block: Block, scores: Scores, places: Places, groups: list[ShelfGroup]) -> _Visits:
    """Let every tag that has a choice between fitted shelves visit them."""
    number = {(group.face, group.shelf): n for n, group in enumerate(groups)}
    owner = scores.owner
    tag = block.candidates.tag[owner]
    row_of = np.full(int(tag.max()) + 1 if len(tag) else 0, -1, np.int64)
    row_of[places.tag] = np.arange(len(places.tag))
    starts = np.flatnonzero(np.append(True, np.diff(tag) != 0))
    size = np.diff(np.append(starts, len(tag)))
    top = np.maximum.reduceat(scores.log_posterior, starts)
    mass = np.add.reduceat(np.exp(scores.log_posterior - np.repeat(top, size)), starts)
    log_p = scores.log_posterior - np.repeat(top + np.log(mass), size)
    boards = Boards.of(block.frames)
    rows: set[tuple[int, int, int]] = set()
    for y in np.flatnonzero((log_p > np.log(LEAST_P)) & (block.hypotheses.level > 0)):
        face, place = int(block.candidates.face[owner[y]]), int(row_of[tag[y]])
        offset = (
            float(places.offset_m[place]) if face == places.face[place] else float(block.fits.offset_m[y])
        )
        if place < 0 or places.cells[place] < FEW_CELLS:
            continue
        centre = float(block.centre_m[owner[y]])
        for along in (offset, centre - BAY_REACH_M, centre + BAY_REACH_M):
            at = number.get((face, boards.at(face, int(block.hypotheses.level[y]), along)), -1)
            if at >= 0:
                rows.add((place, at, int(y)))
    table = np.array(sorted(rows), np.int64).reshape(-1, 3)
    several = np.bincount(table[:, 0], minlength=len(places.tag))[table[:, 0]] > 1
    table = table[several]
    found, offset = np.full(len(table), -np.inf), np.zeros(len(table))
    for at in np.unique(table[:, 1]):
        mine = np.flatnonzero(table[:, 1] == at)
        group = groups[at]
        chosen = owner[table[mine, 2]]
        scan = scan_of(block, chosen, block.board(group.face, group.shelf))
        kind = type(group.fit)
        fit = kind(scan, block.fits.offset_m[table[mine, 2]], log_prior(block, chosen, scan), SLACK_M)
        fit.give(group.fit.sites)
        fit.scale_rad = np.full(len(scan), VISITOR_RAD)
        for _ in range(2):
            fit.search()  # both times everywhere: with its own scale a visitor may be better placed elsewhere
            direct, share = fit.shares()
            fit.robust(fit.residual(direct + share @ fit.sites.rho))
        found[mine], offset[mine] = evidence(fit), fit.offset_m
    return _Visits(table[:, 0], table[:, 1], table[:, 2], log_p[table[:, 2]], found, offset)
