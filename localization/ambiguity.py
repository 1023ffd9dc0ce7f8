"""Whether an antenna's phase is known fully or only up to pi.

Some readers report the phase or the phase plus pi, chosen anew for each reading, some never, and the documentation
of one and the same chip set differs. The data tell: neighbouring readings of a tag from nearly one spot either
agree, or differ by pi.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.ambiguity_joint import known_fully
from localization.observations import driven_m
from localization.signal_model import wavenumber
from recording import Poses, Readings, RunInfo

#: Two readings compared: at most so far apart in space (a shift of half a radian), and in time.
NEAR_RAD = 0.6
NEAR_S = 30.0
#: Under this share of half-turns they are fades, not the reader's doing (a slide without flips shows a few in a
#: thousand); a reader with the ambiguity shows 0.3 to 0.5.
FLIP_SHARE = 0.05
#: So many pairs settle it by their share. Fewer may do, if one answer is so much likelier (log): a reader with the
#: ambiguity turns a third of the pairs, fades two in a hundred. Else a phase taken up to pi is right either way.
ENOUGH_PAIRS, DECIDED = 40, 3.0
TURNED, FADED = 0.32, 0.02
#: Readings compared with the next so many of their tag and antenna.
AHEAD = 4
_MOST_PAIRS = 400_000
#: Of more readings neighbours tell; fewer are looked at all together where neighbours do not.
FEW_READINGS = 20_000
#: A cable longer than this would move neighbouring channels' phases apart.
CABLE_M = 15.0

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """What was found for each antenna id.

    Attributes
    ----------
    doubled : bool array, shape (256,)
        Antennas whose phase must be taken up to pi (that is, doubled).
    share : float64 array, shape (256,)
        Share of neighbouring readings that differ by about pi; NaN where too few were heard.
    together : bool array, shape (256,)
        Antennas of which too few neighbouring readings were heard, but all tags together say the phase is known fully.
    """

    doubled: npt.NDArray[np.bool_]
    share: npt.NDArray[np.float64]
    together: npt.NDArray[np.bool_]


def find_ambiguity(info: RunInfo, readings: Readings, poses: Poses, *, rows: int = 2_000_000) -> Ambiguity:
    """Find each antenna's ambiguity from the run.

    A mount that states ``pi`` is believed. One that states ``none`` is believed unless the data contradict it.
    """
    doubled = np.zeros(256, np.bool_)
    # The first readings of a run can all come from one spot; a stretch from its middle is as good as any.
    begin = max(0, (len(readings) - rows) // 2)
    part = slice(begin, begin + rows)
    tag, antenna = readings.tag[part].astype(np.int64), readings.antenna[part].astype(np.int64)
    frequency, t = readings.frequency_khz[part].astype(np.int64), readings.t[part]
    phase = readings.phase_rad[part].astype(np.float64)
    by_channel = np.lexsort((t, frequency, antenna, tag))
    share, settled = _flip_share(by_channel, tag, antenna, frequency, phase, t, poses)
    if np.isnan(share[[mount.id for mount in info.antennas]]).any():
        # Stops too far apart, but several channels at each: neighbouring channels of one spot agree as well.
        by_time = np.lexsort((frequency, t, antenna, tag))
        between, _ = _flip_share(by_time, tag, antenna, frequency, phase, t, poses)
        share = np.where(np.isnan(share) & (between < FLIP_SHARE), between, share)
    together = np.zeros(256, np.bool_)
    # Antennas of one robot have one kind of reader: where one of them turns, none is taken to be calm unheard.
    turning = bool((share[[mount.id for mount in info.antennas]] >= FLIP_SHARE).any())
    for mount in info.antennas:
        found = share[mount.id]
        mine = np.flatnonzero((antenna == mount.id) & np.isfinite(phase))
        open_ = mount.phase_ambiguity == "unknown" and np.isnan(found) and not turning and len(poses) > 0
        if open_ and 0 < len(mine) <= FEW_READINGS:
            way = np.interp(t[mine], poses.t, driven_m(poses))
            together[mount.id] = known_fully(tag[mine], way, frequency[mine], phase[mine])
        if mount.phase_ambiguity == "pi":
            doubled[mount.id] = True
        elif mount.phase_ambiguity == "none":
            doubled[mount.id] = bool(settled[mount.id] and found > 4 * FLIP_SHARE)
        else:
            doubled[mount.id] = not (found < FLIP_SHARE or together[mount.id])
    return Ambiguity(doubled, share, together)


def _flip_share(
    order: Ints, tag: Ints, antenna: Ints, frequency: Ints, phase: Floats, t: Ints, poses: Poses
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the share of pairs about pi apart of readings that ``order`` puts side by side, and where many tell it.

    Two of shape (256,); the share is NaN where too few tell anything.
    """
    if len(poses) == 0:
        return np.full(256, np.nan), np.zeros(256, np.bool_)
    order = order[np.isfinite(phase[order])]
    left, right = [order[:0]], [order[:0]]
    for ahead in range(1, AHEAD + 1):
        a, b = order[:-ahead], order[ahead:]
        same = (tag[a] == tag[b]) & (antenna[a] == antenna[b]) & (np.abs(t[b] - t[a]) < NEAR_S * 1e9)
        left.append(a[same])
        right.append(b[same])
    a, b = np.concatenate(left), np.concatenate(right)
    if len(a) > _MOST_PAIRS:
        a, b = a[:: len(a) // _MOST_PAIRS], b[:: len(b) // _MOST_PAIRS]
    at = poses.at(t)
    moved = np.hypot(at.x_m[b] - at.x_m[a], at.y_m[b] - at.y_m[a])
    turned = np.abs(np.angle(np.exp(1j * (at.yaw_rad[b] - at.yaw_rad[a]))))
    reach = 0.5 * turned
    near = wavenumber(frequency[a]) * (moved + reach) < NEAR_RAD * 1.5
    near &= np.abs(wavenumber(frequency[b]) - wavenumber(frequency[a])) * CABLE_M < NEAR_RAD
    a, b = a[near], b[near]
    apart = np.abs(np.angle(np.exp(1j * (phase[b] - phase[a]))))
    # Between the two heaps lie fades and noise: they decide nothing.
    clear = (apart < np.pi / 3) | (apart > 2 * np.pi / 3)
    pairs = np.bincount(antenna[a][clear], minlength=256)
    flips = np.bincount(antenna[a][clear & (apart > np.pi / 2)], minlength=256)
    likelier = flips * np.log(TURNED / FADED) + (pairs - flips) * np.log((1 - TURNED) / (1 - FADED))
    # Five readings of one spot make ten pairs, but no more than a few comparisons.
    compared = np.unique(np.concatenate([a[clear], b[clear]]))
    comparisons = np.bincount(antenna[compared], minlength=256) / 2.0
    likelier *= np.minimum(comparisons / np.maximum(pairs, 1), 1.0)
    settled = comparisons >= ENOUGH_PAIRS
    enough = settled | (np.abs(likelier) > DECIDED)
    share = np.full(256, np.nan)
    share[enough] = flips[enough] / pairs[enough]
    return share, settled
