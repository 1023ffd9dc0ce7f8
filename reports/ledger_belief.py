"""How far to believe, after another look, that a book really stands wrong.

Nights of one library err alike: the same tag among the same metal is misread the same way again. So a second look that
says the same is worth much less than the first. With errors of one night carried to the next by a share ``a`` (a
first-order autoregression), and log-likelihood ratios (wrong against right) ``l`` of two looks, the second adds
``(l2 - a l1) / (1 + a)``: for a = 0.7 an equal second look adds 0.18 of the first, a contrary one counts fully.

Between two nights a book may also have been put right, or be taken out of order anew. Its errors are then fresh, so
that look counts with its whole ratio. The chances of these three stories are weighed together (one step of a hidden
Markov filter; L. Rabiner, Proceedings of the IEEE 77, 1989).
"""

from __future__ import annotations

import math

from reports.ledger_policy import Life

MOST_LLR = 6.0
"""One look never says more than this: what it cannot know of (a tag on the wrong book) bounds what it can."""

LEAST, MOST = 0.05, 0.995
"""Belief stays within these, so that a changed world is noticed after one or two nights, not after ten."""


def believe(before: float, llr_before: float, llr: float, *, mended: float, life: Life) -> float:
    """Return the belief that a book that has not changed its place stands wrong, after another look.

    Parameters
    ----------
    before
        Belief after the look before.
    llr_before, llr
        What each of the two nights alone says, as a log-likelihood ratio; 0 where there was none before.
    mended
        Chance that it was put right in between.
    life
        How much nights are alike, and how often books get out of order.
    """
    a = life.alike if llr_before else 0.0
    added = (llr - a * llr_before) / (1.0 + a)
    still_wrong = before * (1.0 - mended) * math.exp(added)
    put_right = before * mended * min(1.0, math.exp(-llr))
    still_right = (1.0 - before) * (1.0 - life.spoiled)
    spoiled = (1.0 - before) * life.spoiled * math.exp(llr)
    wrong, right = still_wrong + spoiled, put_right + still_right
    return bounded(wrong / (wrong + right))


def bounded(belief: float) -> float:
    """Return the belief within `LEAST` and `MOST`."""
    return min(max(belief, LEAST), MOST)
