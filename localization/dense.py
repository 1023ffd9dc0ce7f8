"""Which parts of a run are dense, straight scans, and the joint fit of common scatterers on those."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from localization.faces import Candidates, Frames, rows_of
from localization.hypotheses import Hypotheses
from localization.observations import Observations
from localization.placing import Places
from localization.profile import SLACK_M
from localization.scatterers import FEWEST_TAGS as FEWEST_JOINT
from localization.scatterers import Scan, ScatterFit, fit_scatterers

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: A scan the joint fit can use: at least so many stops, no farther apart than lambda / 8 (so that the scattered
#: field is sampled), straight to a centimetre, and long enough to tell scatterers apart; longer ones would need
#: scatterers of their own in every stretch.
FEWEST_STOPS = 15
WIDEST_STEP_M = 0.065
STRAIGHT_M = 0.01
LENGTHS_M = (0.6, 3.0)
STOP_M = 0.005
FEWEST_TAGS = 2
#: A tag takes part when it was heard at so many stops, and at this share of them: the joint fit shares what is common
#: to all.
FEWEST_HEARD, HEARD_SHARE = 5, 0.1
#: A fit's work grows with the cube of the tags: of more tags or stops this is no scan of one row any longer.
MOST_TAGS, MOST_STOPS = 80, 300
#: The fit is believed when scatterers lower the unexplained share of held-out stops by a fifth, and for a tag when
#: they leave less than this of its energy. Few tags are matched with free space each, and only the latter counts.
LEAST_GAIN = 0.2
MOST_UNEXPLAINED = 0.35


def refine_dense(
    observations: Observations, candidates: Candidates, hypotheses: Hypotheses, places: Places, frames: Frames
) -> tuple[Places, Floats, list[str]]:
    """Replace the offsets of densely read tags by those of the joint fit, where it explains the data better.

    Returns
    -------
    places : Places
    common_m : float64 array, shape (p,)
        What the tags of a scan may be off by together, beside their own bars; 0 where the places stay.
    notes : list of str
        One sentence a scan that was fitted.
    """
    notes: list[str] = []
    common = np.zeros(len(places.tag))
    offset, sigma, quality = places.offset_m.copy(), places.sigma_m.copy(), places.quality.copy()
    level = hypotheses.level[places.hypothesis] if len(places.tag) else np.zeros(0, np.int64)
    for face, number in sorted({(int(f), int(v)) for f, v in zip(places.face, level, strict=True)}):
        members = np.flatnonzero((places.face == face) & (level == number))
        if len(members) < FEWEST_TAGS or frames.ids[face] is None:
            continue
        made = _scan(observations, candidates, places, members, float(frames.length_m[face]), number)
        if made is None:
            continue
        scan, members = made
        found = fit_scatterers(scan)
        used = _believed(found)
        notes.append(_said(f"face {frames.ids[face]}" + (f" level {number}" if number else ""), found, used))
        rows = members[used]
        offset[rows], sigma[rows] = found.offset_m[used], found.sigma_m[used]
        common[rows] = found.common_m[used]
        quality[rows] = np.clip(1.0 - found.unexplained[used], 0.0, 1.0)
    return dataclasses.replace(places, offset_m=offset, sigma_m=sigma, quality=quality), common, notes


def _believed(found: ScatterFit) -> npt.NDArray[np.bool_]:
    joint = len(found.offset_m) >= FEWEST_JOINT
    return (found.unexplained < MOST_UNEXPLAINED) & (found.gain > LEAST_GAIN or not joint)


def _said(where: str, found: ScatterFit, used: npt.NDArray[np.bool_]) -> str:
    if len(used) < FEWEST_JOINT:
        few = f"{int(used.sum())} of {len(used)} tags of a dense scan matched each"
        ends = " beside two common scatterers" if len(found.strength) else " alone"
        return f"{where}: {few}{ends}, too few for a joint fit"
    lines = "one line of height" if not found.height_m.any() else "heights found from the scan"
    return (
        f"{where}: {len(found.scatterers_m)} common scatterers "
        + (
            f"place {int(used.sum())} of {len(used)} tags, {lines}"
            if used.any()
            else "explain too little and are not used"
        )
        + f" (log gain on held-out stops {found.gain:.2f})"
    )


def _scan(
    observations: Observations,
    candidates: Candidates,
    places: Places,
    members: Ints,
    length_m: float,
    level: int,
) -> tuple[Scan, Ints] | None:
    """Lay the members' observations on a common grid of stops and channels; None: no dense, straight scan."""
    size = np.diff(candidates.start)[places.candidate[members]]
    if size.sum() < FEWEST_STOPS * FEWEST_TAGS:
        return None
    rows = rows_of(candidates.start, places.candidate[members])
    tag = np.repeat(np.arange(len(members)), size)
    obs = candidates.observation[rows]
    antennas, counts = np.unique(observations.antenna[obs], return_counts=True)
    keep = observations.antenna[obs] == antennas[counts.argmax()]
    keep &= ~observations.doubled[obs] & np.isfinite(observations.phase_rad[obs])
    if keep.sum() < FEWEST_STOPS:
        return None
    rows, tag, obs = rows[keep], tag[keep], obs[keep]
    keys, stop = np.unique(np.round(observations.way_m[obs] / STOP_M).astype(np.int64), return_inverse=True)
    n = len(keys)
    share = np.bincount(stop, minlength=n).astype(np.float64)
    u = np.bincount(stop, candidates.u[rows], n) / share
    h = np.bincount(stop, candidates.h[rows], n) / share
    z = np.bincount(stop, candidates.z[rows], n) / share
    step = np.abs(np.diff(u))
    if n < FEWEST_STOPS or not LENGTHS_M[0] <= np.ptp(u) <= LENGTHS_M[1]:
        return None
    if (
        np.median(step) > WIDEST_STEP_M
        or step.sum() > 1.1 * np.ptp(u)
        or max(np.ptp(h), np.ptp(z)) > 2 * STRAIGHT_M
    ):
        return None
    present = np.zeros((len(members), n), bool)
    present[tag, stop] = True
    dense = present.sum(axis=1) >= max(FEWEST_HEARD, HEARD_SHARE * n)
    if not FEWEST_TAGS <= dense.sum() <= MOST_TAGS or n > MOST_STOPS:
        return None
    frequencies, channel = np.unique(observations.frequency_khz[obs], return_inverse=True)
    signal = np.zeros((len(frequencies), len(members), n), np.complex128)
    signal[channel, tag, stop] = 10.0 ** (observations.rssi_dbm[obs] / 20.0) * np.exp(
        -1j * observations.phase_rad[obs]
    )
    signal = signal[:, dense]
    # The plane through the track and the row; without a known height, the row is taken at the antenna's.
    rise = float(np.median(places.height_m[members[dense]]) - z.mean()) if level else 0.0
    scan = Scan(
        u_m=u,
        h_m=np.hypot(h, rise),
        frequency_hz=np.asarray(frequencies * 1e3, np.float64),
        signal=signal,
        heard=signal != 0,
        low_m=-SLACK_M,
        high_m=length_m + SLACK_M,
    )
    return scan, members[dense]
