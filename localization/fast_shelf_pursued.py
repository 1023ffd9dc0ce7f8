"""The first try of a shelf's joint fit on the fast path: from where its tags were placed each by itself."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from localization.fast_shelf_fit import FastShelfFit
from localization.shelf_fit import FIRST_ROUNDS, REACH_M, ShelfFit

#: Scatterers that are pursued among tags still at wrong places, whatever they explain.
FIRST_SITES = 2
#: Right fits leave a median residual scale of 0.15 to 0.3 rad (simulated libraries of usual trouble), wrong ones more.
ROUGH_RAD = 0.35


class PursuedShelfFit(FastShelfFit):
    """A fit that starts from where its tags were placed each by itself: many times as fast as from any place.

    Where most of the tags are wrong, so is it; what leaves much of the phases, or is not believed, is fitted again as
    ``FastShelfFit``.
    """

    again: ClassVar[type[ShelfFit] | None] = FastShelfFit

    @property
    def doubtful(self) -> bool:
        """Whether more is left of the phases (taken once) than a right fit usually leaves."""
        return float(np.median(self.scale_rad[self.owner] * 2.0 / self.scan.fold)) > ROUGH_RAD

    def begin(self) -> None:
        """Pursue the first scatterers among the tags where they are; these may jump."""
        for _ in range(FIRST_SITES):
            self._take(*self._kept_grid(), -np.inf)
            for turn in range(FIRST_ROUNDS):
                self.strengthen()
                self._move(None if turn == 0 else REACH_M)
            self.strengthen()
