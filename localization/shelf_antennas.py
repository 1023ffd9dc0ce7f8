"""Where the antennas' phase centres sit against one another, once shelves' metal is taken out of the phases.

Registration learns it from tags one by one, before any metal is known: strong metal bends their phases by more than
antennas do, and it then says nothing. But every shelf is heard mostly by the antenna at its height, and a centimetre
between two antennas puts whole levels a centimetre apart. With the scattered part of the phases taken out, the same
Gauss-Newton over all tags of the believed shelves tells it to a millimetre or two.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.faces import rows_of
from localization.observations import Observations
from localization.placing import Places
from localization.profile import refine_all
from localization.registration import believed_shift, to_micrometre
from localization.registration_solve import State, moved, solve
from localization.shelf_fit import Sites
from localization.shelf_group import ShelfGroup, starts_of
from localization.shelf_scan import Block

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: So many tags in all tell, no more than these of each shelf; fewer do not.
FEWEST_TAGS, MOST_OF_SHELF = 24, 40
#: Half of them must have been heard on so many track cells: fits of less take up what antennas are off by, and more.
FEWEST_CELLS = 12.0
#: Boards tell where tags are across the face and over the floor, and depths are settled before.
DEPTH_SIGMA_M = 0.02
#: Rounds, unless no step is longer than this.
ROUNDS, STEP_LEAST_M = 20, 0.0002
#: Scatterers fitted where antennas were taken wrong have taken up so much of what these are off by: a choice, which
#: only makes rounds fewer.
TAKEN_UP = 0.3
#: An estimate within so many deviations of zero is zero; another round tells more.
DOUBT = 1.0
#: An antenna that seems farther off is left where it was: its phases mean something else, or nothing.
FARTHEST_M = 0.08
#: A smaller shift changes nothing.
WORTH_M = 0.001


def settle_antennas(
    block: Block, cleared: Observations, places: Places, groups: tuple[ShelfGroup, ...]
) -> Floats:
    """Return by how much farther to the left of its boresight each antenna's phase centre is, m, shape (256,).

    Parameters
    ----------
    block : Block
    cleared : Observations
        The block's, the scattered part taken out of the phases of tags on believed shelves.
    places : Places
    groups : tuple of ShelfGroup
        Shelves that were fitted, believed or not.
    """
    none = np.zeros(256)
    members = [_teachers(group) for group in groups if group.believed]
    if sum(len(part) for part in members) < FEWEST_TAGS:
        return none
    rows = np.concatenate(members)
    if np.median(places.cells[rows]) < FEWEST_CELLS:
        return none
    # In the order in which what was heard of them lies.
    rows = rows[np.argsort(places.candidate[rows], kind="stable")]
    hypotheses, candidates = block.hypotheses, block.candidates
    chosen, told = places.candidate[rows], places.hypothesis[rows]
    observed = candidates.observation
    heard = rows_of(candidates.start, chosen)
    antennas = np.unique(cleared.antenna[observed[heard]])
    if len(antennas) < 2:
        return none
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(hypotheses.start))
    begin = np.zeros(len(hypotheses.depth_m))
    begin[told] = places.offset_m[rows]
    k, phase = cleared.wavenumber[observed], np.nan_to_num(cleared.phase_rad[observed])
    faces = len(block.frames.ids)
    state = State(none.copy(), none.copy(), np.zeros(faces), np.full(faces, DEPTH_SIGMA_M))
    boards = np.zeros(len(rows), np.bool_)
    sigma = np.zeros(0)
    for _ in range(ROUNDS):
        seen = moved(cleared, candidates, state)
        fits = refine_all(seen, owner, begin, hypotheses, told, k, phase, block.weight)
        begin[told] = fits[:, 0]
        step, sigma = solve(cleared, seen.select(chosen), fits, block.weight[heard], antennas, boards, state)
        if step < STEP_LEAST_M:
            break
    across = believed_shift(state.across_m[antennas], sigma[: len(antennas)], DOUBT) / (1.0 - TAKEN_UP)
    across = to_micrometre(across - across.mean())
    shift = none.copy()
    shift[antennas] = across if np.abs(across).max() >= WORTH_M else 0.0
    return shift


def moved_starts(groups: tuple[ShelfGroup, ...], across_m: Floats) -> dict[tuple[int, int], Sites]:
    """Return shelves' scatterers where they are seen once antennas are farther to the left, shape (256,)."""
    seen = {(group.face, group.shelf): group.fit.scan for group in groups}
    return {shelf: sites.moved(seen[shelf].moved_by(across_m)) for shelf, sites in starts_of(groups).items()}


def left_of_all(groups: tuple[ShelfGroup, ...]) -> float:
    """Return what shelves' fits leave of the phases, rad, mean over their tags; fits not believed leave all."""
    tags = np.array([len(group.members) for group in groups], np.float64)
    left = np.array([group.fit.left_rad if group.believed else 1.0 for group in groups])
    return float(tags @ left / max(tags.sum(), 1.0))


def _teachers(group: ShelfGroup) -> Ints:
    return group.members[:: max(-(-len(group.members) // MOST_OF_SHELF), 1)]
