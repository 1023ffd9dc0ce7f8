"""Books that earlier nights heard and later ones did not: missing by the word of all nights together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from localization.positions import Positions
from reports.books import Catalogue
from reports.memory import GONE, HERE
from reports.missing import Silent

GONE_BELOW = 0.5
"""A tag is taken to be gone below this posterior of being there."""


def split_gone(positions: Positions) -> tuple[Positions, Positions]:
    """Return the tags that are there, and those that only earlier nights heard.

    Positions of one night have no ``p_present``: all of its tags are there.
    """
    gone = positions.p_present < GONE_BELOW
    if not gone.any():
        return positions, Positions.empty()
    return positions.select(~gone), positions.select(gone)


def weigh_gone(silent: Silent, gone: Positions, catalogue: Catalogue) -> Silent:
    """Take what all nights together say of the silent copies that were heard before.

    Their own readings on earlier nights say how well they are heard, which coverage does not know; where one of them
    stood on its own shelf, that is its place.
    """
    if not len(gone) or not len(silent.copy):
        return silent
    row_of = {epc.upper(): row for row, epc in enumerate(gone.epc.tolist())}
    row = np.fromiter((row_of.get(e, -1) for e in catalogue.epc[silent.copy]), np.int64, len(silent.copy))
    known = row >= 0
    missing, earlier, states = silent.missing.copy(), silent.earlier | known, silent.states.copy()
    missing[known] = np.minimum(1.0 - gone.p_present[row[known]], 0.995)
    states[known] = 0.0
    states[known, HERE], states[known, GONE] = 1.0 - missing[known], missing[known]
    return replace(silent, missing=missing, earlier=earlier, states=states, looked=silent.looked | known)
