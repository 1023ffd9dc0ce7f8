"""Piles of lying books: where along a shelf several tags are turned, and lie at one place.

Neighbours share reflections. These move their tags' places together, and turn their phases alike: what ten tags of one
stretch say is worth less than ten times what one says. How much less, the run's own shelves tell, nearly all of whose
books stand: by how alike neighbours are turned, and by how often places alone would make a pile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.oddity_evidence import Usual, lying_evidence, lying_score
from localization.oddity_kernels import scan_piles
from localization.oddity_traits import Traits

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: One book in a hundred lies, in piles of about five: log-chance of a pile of one kind in each step along a shelf.
LYING, PILE_BOOKS, BOOK_M, PILE_STEP_M = 0.01, 5.0, 0.023, 0.02
#: A lying book is so high, its tag so far off the pile's middle; there is one pile in so much of a shelf.
PILE_M, PILE_SIGMA_M, PILE_AWAY_M = 0.23, 0.035, 0.30
#: A pile in the row takes nearly all of its stretch, one on the row some of the tags there.
PILE_MEMBERS = np.array([0.9, 0.2])
#: A pile has about so many tags whose evidence goes together; that of tags so near is compared.
TOGETHER, NEAR_M, AHEAD = 8.0, 0.12, 6
#: Powers the places' likelihood ratio may be believed to.
SHARES = (1.0, 0.75, 0.5, 0.25)


@dataclass(frozen=True, slots=True)
class Row:
    """The placed tags of the run, shelf by shelf from left to right.

    Attributes
    ----------
    order : int64 array, shape (p,)
        Rows of the traits.
    start : int64 array, shape (shelves + 1,)
        Where each shelf begins in ``order``.
    x, sigma : float64 array, shape (p,)
        Offset of each tag, and how far that may be off a pile's middle, m.
    """

    order: Ints
    start: Ints
    x: Floats
    sigma: Floats

    def scan(self, evidence: Floats, share: float) -> tuple[Floats, float]:
        """Return each tag's odds of lying, shape (p,), and how much likelier all shelves are where piles may be (log).

        ``evidence`` has the shape (kinds, p).
        """
        odds, total = np.zeros(len(self.order)), np.zeros(len(self.start) - 1)
        prior = math.log(0.5 * LYING * PILE_STEP_M / BOOK_M / PILE_BOOKS)
        scan_piles(
            self.start, self.x, self.sigma, np.ascontiguousarray(evidence), PILE_MEMBERS, share, PILE_M,
            PILE_AWAY_M, PILE_STEP_M, prior, odds, total,
        )  # fmt: skip
        return odds, float(total.sum())

    def likeness(self, score: Floats) -> float:
        """Return the correlation of near neighbours' scores, shape (p,), 0 to 1."""
        rest = score - score.mean()
        one, other = self.near()
        product, square = float((rest[one] * rest[other]).sum()), float((rest**2).mean())
        return min(max(product / max(len(one), 1) / square, 0.0), 1.0) if square > 0.0 else 0.0

    def near(self) -> tuple[Ints, Ints]:
        """Return the pairs of near neighbours, by their places in ``order``, two of shape (pairs,)."""
        shelf = np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))
        ones, others = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for ahead in range(1, AHEAD + 1):
            near = (shelf[ahead:] == shelf[:-ahead]) & (self.x[ahead:] - self.x[:-ahead] <= NEAR_M)
            ones.append(np.flatnonzero(near))
            others.append(ones[-1] + ahead)
        return np.concatenate(ones), np.concatenate(others)


def lying_odds(traits: Traits, usual: Usual) -> Floats:
    """Return the log-odds of lying in a pile, shape (n,); -inf: not placed."""
    out = np.full(len(traits), -np.inf)
    row = along_shelves(traits)
    if len(row.order) < 2:
        return out
    share = _places_share(row)
    log_odds: list[Floats] = []
    whole: list[float] = []
    for hand in (1.0, -1.0):
        evidence = lying_evidence(usual, hand)[:, row.order]
        together = 1.0 + (TOGETHER - 1.0) * row.likeness(lying_score(usual, hand)[row.order])
        found, total = row.scan(evidence / together, share)
        log_odds.append(np.log(np.maximum(found, 1e-300)))
        whole.append(total)
    # All antennas of a robot turn alike; which way, all piles of the run tell together.
    chance = np.exp(np.array(whole) - np.logaddexp(whole[0], whole[1]))
    p = (chance[:, None] / (1.0 + np.exp(-np.stack(log_odds)))).sum(axis=0)
    lies = np.clip(p, 1e-300, 1.0 - 1e-9)
    out[row.order] = np.log(lies) - np.log1p(-lies)
    return out


def _places_share(row: Row) -> float:
    """Return how far places are believed: so far that by themselves they make no more piles than there usually are."""
    nothing = np.zeros((len(PILE_MEMBERS), len(row.order)))
    for share in SHARES:
        odds, _ = row.scan(nothing, share)
        if float((odds / (1.0 + odds)).sum()) <= LYING * len(row.order):
            return share
    return 0.0


def along_shelves(traits: Traits) -> Row:
    """Sort the placed tags along their shelves; where a face has none, along its levels as heights tell them."""
    shelved = traits.shelf >= 0
    shelf = np.where(shelved, traits.shelf, 0)
    by_height = np.floor(np.nan_to_num(traits.nominal_m) / 0.3 + 0.5).astype(np.int64)
    level = np.where(shelved, traits.level, by_height)
    placed = np.flatnonzero((traits.face >= 0) & np.isfinite(traits.offset_m))
    keys = np.stack([traits.face, shelf, level])[:, placed]
    sorting = np.lexsort((traits.offset_m[placed], *keys[::-1]))
    order, keys = placed[sorting], keys[:, sorting]
    begins = np.flatnonzero(np.append(len(order) > 0, np.any(keys[:, 1:] != keys[:, :-1], axis=0)))
    return Row(
        order=order,
        start=np.append(begins, len(order)).astype(np.int64),
        x=traits.offset_m[order],
        sigma=np.hypot(PILE_SIGMA_M, np.nan_to_num(traits.sigma_m[order])),
    )
