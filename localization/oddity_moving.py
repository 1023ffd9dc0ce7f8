"""Tags that move: on a trolley that is pushed about, or on the robot itself."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from localization.oddity_evidence import FEW_STRETCHES, heard_over, learn_scatter
from localization.oddity_traits import Traits

Floats = npt.NDArray[np.float64]

#: A tag that stands somewhere is heard within about a metre; one that moves anywhere from there to the whole way.
LEAST_M, MOST_M = 0.5, 30.0
#: One that is pushed past while the robot passes is heard over no more track than others, but no place explains it.
PAST_SHARE, PAST_SIGMA = 0.4, 0.35
#: Residual (rad) of phases that no place explains; so many of the tags that stand have it as well, as they are heard
#: by reflection only.
UNEXPLAINED_RAD, UNEXPLAINED_SHARE = (1.05, 0.2), 0.02
#: Phases of a tag on the robot: alike, but for what the shelves reflect.
RIDING_ALIKE = (0.95, 0.08)
#: Spread of the run's tags' residuals at least.
LEAST_RESIDUAL_RAD = 0.10


def moving_evidence(traits: Traits) -> Floats:
    """Log-likelihood ratio of being moved about against standing still, shape (n,)."""
    where, usual = heard_over(traits)
    past = usual.ratio(where, 0.0, PAST_SIGMA)
    far = np.nan_to_num(_far(where) - usual.log(where))
    spread = np.logaddexp(math.log(PAST_SHARE) + past, math.log(1.0 - PAST_SHARE) + far)
    # Nothing fits worse than phases at random.
    scatter = learn_scatter(traits.scale_rad, LEAST_RESIDUAL_RAD)
    more = max(UNEXPLAINED_RAD[0] - scatter.centre, 0.0)
    ratio = scatter.ratio(traits.scale_rad, more, UNEXPLAINED_RAD[1])
    stands = np.logaddexp(math.log(1.0 - UNEXPLAINED_SHARE), math.log(UNEXPLAINED_SHARE) + ratio)
    return spread + ratio - stands


def riding_evidence(traits: Traits) -> Floats:
    """Log-likelihood ratio of riding on the robot against standing still, shape (n,)."""
    where, usual = heard_over(traits)
    enough = traits.stretches >= FEW_STRETCHES
    own = 1.0 / np.maximum(traits.stretches, 1.0)
    stands = learn_scatter(np.where(enough, traits.alike, np.nan), 0.05)
    rides = learn_scatter(np.zeros(0), 0.5 * RIDING_ALIKE[1])
    alike = rides.log(traits.alike, RIDING_ALIKE[0]) - stands.log(traits.alike, 0.0, own)
    return np.where(enough, _far(where) - usual.log(where) + alike, -np.inf)


def _far(where: Floats) -> Floats:
    """Log-density of the spread of what goes anywhere: alike for every order of size, falling off below."""
    span = math.log(MOST_M / LEAST_M)
    below = np.minimum(where - math.log(LEAST_M), 0.0)
    return -math.log(span) - 0.5 * (below / 0.25) ** 2
