"""Books that stand behind the row: by the depth that their phases alone tell.

Reflections come by a longer way than the tag's own signal: what they bend, they bend towards the back, and several tags
of a stretch at once. So how far depths stray, and how heavy their tail is to the back, is learnt from the run's own
tags; and a stretch whose tags stray is believed less than one whose tags stand where they should, as far as neighbours
foretell one another in this run.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.oddity_evidence import FEW_TAGS, Scatter, Usual, learn_scatter
from localization.oddity_piles import along_shelves
from localization.oddity_traits import Traits

Floats = npt.NDArray[np.float64]

#: A book behind the row stands that much deeper: mean and spread.
BEHIND_M = (0.115, 0.025)
#: Scale, in deviations stated, of how far depths stray, at least.
LEAST_SCALE = 0.7
#: Powers that neighbours' squares may count with in a tag's own scale.
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)


def behind_evidence(traits: Traits, usual: Usual) -> Floats:
    """Log-likelihood ratio of standing behind the row against in it, shape (n,); 0: not known.

    By the phases alone: a weaker tag is read less often rather than more weakly, as what is read must be strong. Of the
    free fit one number is asked: the depth that it shows of an upright tag at its level's height (generalized least
    squares).
    """
    told = np.isfinite(usual.gap[:, 0]) & (traits.face >= 0)
    if int(told.sum()) < FEW_TAGS:
        return np.zeros(len(traits))
    sigma, depth = np.full(len(traits), np.nan), np.full(len(traits), np.nan)
    trust = np.linalg.inv(usual.spread[told])[:, 0]
    sigma[told] = trust[:, 0] ** -0.5
    depth[told] = (trust * usual.gap[told]).sum(axis=1) * sigma[told]
    scatter = learn_scatter(depth, LEAST_SCALE, above=True)
    own = Scatter(scatter.centre, local_scale(traits, depth, scatter), scatter.nu)
    return own.ratio(depth, BEHIND_M[0] / sigma, BEHIND_M[1] / sigma)


def local_scale(traits: Traits, value: Floats, scatter: Scatter) -> Floats:
    """Return the scale of a number about each tag, from the run's and from its near neighbours on the shelf.

    The scale's square has the run's as its mean and its degrees of freedom as its worth (inverse gamma, which makes a
    normal a Student-t); neighbours' squares count beside it with the power that makes the run's own tags likeliest.

    Parameters
    ----------
    traits : Traits
    value : float64 array, shape (n,)
        NaN: not known.
    scatter : Scatter
        Of the run.

    Returns
    -------
    float64 array, shape (n,)
    """
    row = along_shelves(traits)
    one, other = (row.order[side] for side in row.near())
    known = np.isfinite(value[one]) & np.isfinite(value[other])
    one, other = np.concatenate([one[known], other[known]]), np.concatenate([other[known], one[known]])
    count = np.bincount(one, minlength=len(value)).astype(np.float64)
    square = np.bincount(one, (value[other] - scatter.centre) ** 2, len(value))
    best, found = -np.inf, np.full(len(value), scatter.scale)
    for share in SHARES:
        whole = scatter.nu * np.square(scatter.scale) + share * square
        tried = np.sqrt(whole / (scatter.nu + share * count))
        likely = float(np.nansum(Scatter(scatter.centre, tried, scatter.nu).log(value)))
        if likely > best:
            best, found = likely, tried
    return found
