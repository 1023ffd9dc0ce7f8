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
    if len(visits.place) == 0:
        return places, set()
    face, shelf = (np.array([getattr(group, name) for group in groups]) for name in ("face", "shelf"))
    begin = np.flatnonzero(np.diff(visits.place, prepend=-1))
    place, size = visits.place[begin], np.diff(np.append(begin, len(visits.place)))
    number = np.arange(len(place))
    own = np.repeat(number, size)
    at_home = (
        (visits.hypothesis == places.hypothesis[visits.place])
        & (face[visits.group] == places.face[visits.place])
        & (shelf[visits.group] == places.shelf[visits.place])
    )
    home = np.full(len(place), -1, np.int64)
    home[own[at_home]] = np.flatnonzero(at_home)
    more = visits.evidence - visits.evidence[home[own]]
    candidate = block.candidates_of(visits.hypothesis)
    same = candidate == places.candidate[visits.place]
    gain = np.where(same, LEVEL_SHARE * more, np.clip(FACE_SHARE * more, -FACE_MOST, FACE_MOST))
    # A tag beside a bay's end may stand on the next one, and beyond it does.
    within = Boards.of(block.frames).inside(
        face[visits.group], shelf[visits.group], visits.offset_m, places.sigma_m[visits.place]
    )
    log_p = visits.log_p + gain + np.log(np.maximum(within, LEAST_P))
    p = np.exp(log_p - np.maximum.reduceat(log_p, begin)[own])
    p /= np.add.reduceat(p, begin)[own]
    # What was not visited keeps its share.
    every = np.unique(visits.hypothesis, return_index=True)[1]
    known = np.minimum(np.bincount(own[every], np.exp(visits.log_p[every]), len(place)), 1.0)
    order = np.lexsort((-p, own))
    first, second = order[begin], order[begin + 1]
    # Where the bay beside it was visited as well, that is counted already.
    beside = np.add.reduceat((visits.hypothesis == visits.hypothesis[first][own]).astype(np.int64), begin) > 1
    chance = p[first] * known * np.where(beside, 1.0, within[first])
    other = p[second] * known
    alt = (face[visits.group] == places.alt_face[visits.place]) & (
        shelf[visits.group] == places.alt_shelf[visits.place]
    )
    visited = np.maximum.reduceat(alt, begin)
    judged = home >= 0
    moved = judged & (first != home)
    to, row, y = visits.group[first[moved]], place[moved], visits.hypothesis[first[moved]]
    changed = set(to.tolist()) | set(visits.group[home[moved]].tolist())
    columns = {f.name: getattr(places, f.name).copy() for f in dataclasses.fields(places)}
    for name, value in (
        ("hypothesis", y), ("candidate", candidate[first[moved]]), ("face", face[to]), ("shelf", shelf[to]),
        ("offset_m", visits.offset_m[first[moved]]), ("height_m", block.hypotheses.height_m[y]),
        ("depth_m", block.fits.depth_m[y]), ("scale_rad", block.fits.scale_rad[y]), ("cells", block.fits.cells[y]),
        ("strength_db", scores.strength_db[y]),
    ):  # fmt: skip
        columns[name][row] = value
    columns["p"][place[judged]] = chance[judged]
    told = judged & (visited | ~(places.p_alt[place] > other))
    to, row = visits.group[second[told]], place[told]
    columns["alt_face"][row], columns["alt_shelf"][row] = face[to], shelf[to]
    columns["alt_offset_m"][row], columns["p_alt"][row] = visits.offset_m[second[told]], other[told]
    return dataclasses.replace(places, **columns), changed


def _visit(block: Block, scores: Scores, places: Places, groups: list[ShelfGroup]) -> _Visits:
    """Let every tag that has a choice between fitted shelves visit them."""
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
    number = np.full(len(boards.level), -1, np.int64)
    for n, group in enumerate(groups):
        number[boards.start[group.face] + group.shelf] = n
    y = np.flatnonzero((log_p > np.log(LEAST_P)) & (block.hypotheses.level > 0) & (row_of[tag] >= 0))
    y = y[places.cells[row_of[tag[y]]] >= FEW_CELLS]
    place, face, level = row_of[tag[y]], block.candidates.face[owner[y]], block.hypotheses.level[y]
    offset = np.where(face == places.face[place], places.offset_m[place], block.fits.offset_m[y])
    centre = block.centre_m[owner[y]]
    rows: list[Ints] = []
    for along in (offset, centre - BAY_REACH_M, centre + BAY_REACH_M):
        shelf = boards.at(face, level, along)
        at = np.where(shelf >= 0, number[boards.start[face] + np.maximum(shelf, 0)], -1)
        rows.append(np.stack([place, at, y], axis=1)[at >= 0])
    table = np.unique(np.concatenate(rows), axis=0)
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
            fit.rescale()
        found[mine], offset[mine] = evidence(fit), fit.offset_m
    return _Visits(table[:, 0], table[:, 1], table[:, 2], log_p[table[:, 2]], found, offset)
