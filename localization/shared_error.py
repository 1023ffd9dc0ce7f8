"""What the places of a run are off by together: antennas, clock, poses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.faces import Candidates
from localization.observations import Observations
from localization.placing import Places
from recording import Poses

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: What every offset of a run shares without a calibration: the antenna's phase centre and mount (three measured slide
#: sets are off by 1.4, 0.0 and 0.3 cm as a whole, and each scan of them by 0.3 to 0.9 besides),
CENTRE_SIGMA_M = 0.012
#: the reader's clock against the base's,
CLOCK_SIGMA_S = 0.15
#: and, where poses state no error, map against survey: a hundredth of the way from the run's start, at most this.
POSE_SIGMA_SHARE, POSE_SIGMA_MOST_M = 0.01, 0.05
#: of which this share differs from one stretch of the way to the next, and so between neighbours: poses that wander
#: do so slowly, and a shelf is passed within seconds.
POSE_LOCAL_SHARE = 0.25


def shared_sigma(
    observations: Observations, candidates: Candidates, places: Places, poses: Poses, stated_m: Floats,
    centre_sigma_m: float, pinned: npt.NDArray[np.bool_] | None = None, pinned_pose: float = 0.0,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return what poses, clock and antenna add: what neighbours share, and what they do not; two of shape (p,).

    Of the poses' own error ``pinned_pose`` stays where ``pinned`` tells that uprights said what the run is off by.
    """
    n = len(places.tag)
    if n == 0:
        return np.zeros(0), np.zeros(0)
    index = candidates.observation
    begin = candidates.start[:-1]
    first = np.minimum.reduceat(observations.t[index], begin)[places.candidate]
    last = np.maximum.reduceat(observations.t[index], begin)[places.candidate]
    low = np.minimum.reduceat(observations.way_m[index], begin)[places.candidate]
    high = np.maximum.reduceat(observations.way_m[index], begin)[places.candidate]
    speed = (high - low) / np.maximum((last - first) * 1e-9, 0.1)
    stated = np.add.reduceat(observations.sigma_pose_m[index], begin)[places.candidate]
    stated = stated / np.diff(candidates.start)[places.candidate]
    where = observations.position_m[index[begin]][places.candidate]
    gone = np.hypot(where[:, 0] - poses.x_m[0], where[:, 1] - poses.y_m[0])
    unstated = np.where(np.isfinite(stated), 0.0, np.minimum(POSE_SIGMA_SHARE * gone, POSE_SIGMA_MOST_M))
    local = POSE_LOCAL_SHARE * unstated
    pose = np.where(np.isfinite(stated), stated, 0.0)
    if pinned is not None:
        # Uprights tell what poses are off by, too, on the mean of the way; what wanders about it is in tags' own bars.
        pose = pose * np.where(pinned, pinned_pose, 1.0)
    clock = CLOCK_SIGMA_S * np.minimum(speed, 1.0)
    assumed = np.sqrt(centre_sigma_m**2 + clock**2 + unstated**2)
    return np.hypot(np.where(np.isfinite(stated_m), stated_m, assumed), pose), local
