"""How tags spread across a row, learnt from the run: their depths and heights on each board of a face.

Before anything is learnt a tag's depth and height are supposed to be within centimetres of where the plan expects
them. Where tags were heard by several antennas and from both sides the phases tell both far better than that, and what
they tell of all tags together is what is then supposed of each: the maximum of the marginal likelihood by expectation
and maximisation (Dempster, Laird & Rubin, *Journal of the Royal Statistical Society B* 39, 1977), which statistics
calls empirical Bayes (Efron & Morris, *Journal of the American Statistical Association* 70, 1975). It matters for tags
heard from one end of a pass only, whose place along the face is as unsure as their depth and height. Some tags are not
of the row (behind it, on the face's other side, at a wrong peak): of those nothing but what was supposed before is
supposed (the contaminated normal of Tukey, *Contributions to Probability and Statistics*, 1960).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: What was supposed before counts for so many tags.
HELD_TAGS: Final = 3.0
#: Boards' middles are off the plan by so much of what a tag may be; tags seen by one antenna do not tell which way.
MIDDLE_SIGMA: Final = 0.3
#: Spreads are found within these parts of what was supposed; wider is what wrong peaks look like.
LEAST, MOST = 0.2, 1.0
#: So many of so many tags are not of the row before any is looked at.
STRANGERS, STRANGERS_OF = 1.0, 20.0
BEGIN, ROUNDS = 0.5, 100


@dataclass(frozen=True, slots=True)
class Spread:
    """Depth and height (the columns) of the tags of each board, in deviations of what was supposed before.

    Attributes
    ----------
    board : int64 array, shape (boards,)
        Ascending; others are as they were supposed to be.
    middle : float64 array, shape (boards, 2)
    width : float64 array, shape (2,)
        Standard deviations about it, the same on all boards.
    strange : float
        Share of tags that are not of their row.
    """

    board: Ints
    middle: Floats
    width: Floats
    strange: float

    @classmethod
    def supposed(cls) -> Spread:
        """Return what holds before anything is learnt."""
        return cls(np.zeros(0, np.int64), np.zeros((0, 2)), np.ones(2), STRANGERS / STRANGERS_OF)

    def of(self, board: Ints) -> tuple[Floats, Floats]:
        """Return the middles and widths on some boards, two of shape (n, 2)."""
        middle, width = np.zeros((len(board), 2)), np.ones((len(board), 2))
        if len(self.board):
            at = np.minimum(np.searchsorted(self.board, board), len(self.board) - 1)
            known = self.board[at] == board
            middle[known], width[known] = self.middle[at[known]], self.width
        return middle, width


def learn_spread(
    board: Ints, place: Floats, covariance: Floats, told: Floats, wide: Floats
) -> tuple[Spread, Floats]:
    """Learn from fitted tags how depths and heights spread.

    Parameters
    ----------
    board : int64 array, shape (n,)
        Of each tag.
    place : float64 array, shape (n, 2)
        Its depth and height as fitted, in deviations from where it was supposed to be.
    covariance : float64 array, shape (n, 2, 2)
        Of that fit, in the same unit.
    told, wide : float64 array, shape (n, 2)
        What the fit was told: middle and width.

    Returns
    -------
    spread : Spread
        What was supposed, where no tag tells anything else.
    own : float64 array, shape (n,)
        The chance of each tag to be of its row.
    """
    if len(board) == 0:
        return Spread.supposed(), np.ones(0)
    names, owner = np.unique(board, return_inverse=True)
    # What the readings say without what the fit was told; a fit that went nowhere says nothing.
    precise = np.linalg.inv(covariance)
    alone = precise.copy()
    alone[:, [0, 1], [0, 1]] -= wide**-2
    value, vector = np.linalg.eigh(alone)
    alone = (vector * np.maximum(value, 0.0)[:, None, :]) @ vector.transpose(0, 2, 1)
    pull = (precise @ place[:, :, None])[:, :, 0] - told / wide**2
    # From narrow to wide: begun wide, a few tags far off would be taken for the edge of the row.
    middle = np.array([np.median(place[owner == n], axis=0) for n in range(len(names))])
    spread = Spread(names, middle, np.full(2, BEGIN), STRANGERS / STRANGERS_OF)
    _, _, as_supposed = _given(alone, pull, np.zeros(2), np.ones(2))
    own = np.ones(len(board))
    for _ in range(ROUNDS):
        mean, left, evidence = _given(alone, pull, spread.middle[owner], spread.width)
        own = expit(evidence - as_supposed + np.log(1.0 / spread.strange - 1.0))
        count = np.bincount(owner, own)[:, None]
        total = np.stack([np.bincount(owner, own * column, len(names)) for column in mean.T], axis=1)
        loose = (spread.width / MIDDLE_SIGMA) ** 2
        middle, unsure = total / (count + loose), spread.width**2 / (count + loose)
        square = (mean - middle[owner]) ** 2 + left[:, [0, 1], [0, 1]] + unsure[owner]
        width = np.sqrt((HELD_TAGS + own @ square) / (HELD_TAGS + own.sum()))
        strange = (STRANGERS + (1.0 - own).sum()) / (STRANGERS_OF + len(own))
        spread = Spread(names, middle, np.clip(width, LEAST, MOST), float(strange))
    return spread, own


def _given(alone: Floats, pull: Floats, middle: Floats, width: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean, covariance and log evidence of each tag's place under a normal prior."""
    prior = width**-2
    total = alone + np.diag(prior)
    left: Floats = np.asarray(np.linalg.inv(total), np.float64)
    toward = pull + middle * prior
    mean = (left @ toward[:, :, None])[:, :, 0]
    evidence = (mean * toward).sum(axis=1) - (middle**2 * prior).sum(axis=-1) + np.log(prior).sum()
    return mean, left, np.asarray(0.5 * (evidence - np.log(np.linalg.det(total))), np.float64)
