"""What a run's own parts say against one another: bars that no single fit would state.

A fit of phases knows how well phases fit, not that a mount was measured 30 cm wrong, a clock is two seconds off, or
that the phases mean nothing. But a tag is also loudest where it stands. The centroid of received power is coarse and
asks no phase; how far the antennas' centroids of one tag scatter tells how coarse. Against it are held

* each spot of the way: what phases of different tags stray by together (poses that drift by more than they state);
* each antenna: its tags' centroids against those of the others (a mount that is not where it is said to be);
* the run, each face, each tag: the phases' places against the centroids (poses that bend, phases that mean nothing,
  a wrong peak);
* each face: centroids beyond its ends, where no tag stands (a clock, a mount, a map that is off);
* each tag: whether it fell silent while loud (heard from one side only: its centroid and its peak lean that way).

What disagrees by more than chance widens the bars by as much and lowers the quality; nothing is moved.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import numpy.typing as npt

from localization.face_ends import beyond_end, deviation
from localization.faces import Candidates, Frames, rows_of
from localization.observations import Observations
from localization.placing import FEW_CELLS, SIGMA_MOST_M, Places, distances

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Fewer tags say nothing of an antenna, a face or the run.
FEWEST_TAGS, FEWEST_PAIRS = 10, 200
#: An antenna's centroid of a tag needs so many observations.
FEWEST_HEARD = 3
#: Disagreement up to so many deviations, and up to this length, is chance or what centroids lean by.
DOUBT, LEAN_M = 4.0, 0.04
#: Coarser centroids say nothing.
COARSE_M = 0.15
#: What phases of several tags stray by together within this way of the robot is the pose's: beyond so much, as no usual
#: pose does (simulated ones of 1 cm: 0.1 to 0.5 cm are left in the residuals), places are off by so many times that.
TOGETHER_M, BEND_LEAST_M, BEND_SHARE = 0.04, 0.010, 8.0
#: Residuals (rad, for the cells less what a fit takes up) of so many tags, wide as of phases that mean nothing.
TAKEN_CELLS, JUDGED_CELLS, MEANINGLESS_RAD = 6.0, 10.0, 0.95
#: A tag whose phases and power differ by so many deviations is on a wrong peak or another tag's face.
FAR = 3.5
#: A tag heard loudest in the last of its stretches of track, so loud against the faintest of the run.
STRETCH_M, LOUD_DB, FALL_DB, LEAST_STRETCHES, CUT_REACH_M = 0.10, 8.0, 3.0, 4, 0.30
#: What it may be off by.
CUT_SIGMA_M = 0.20
#: How its notes end, and their numbers.
WIDENED, UNUSED, DIGITS = "bars widened", "placed where they are loudest", re.compile(r"[0-9.]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Disagreement:
    """What to add to the bars, and why.

    Attributes
    ----------
    common_m : float64 array, shape (p,)
        Shared by all tags of a face or run.
    local_m : float64 array, shape (p,)
        The tag's own.
    notes : tuple of str
    """

    common_m: Floats
    local_m: Floats
    notes: tuple[str, ...]


def widened(places: Places, common_m: Floats, found: Disagreement) -> tuple[Places, Floats]:
    """Return places and shared errors with what was found added; quality falls as far as the bars grow.

    ``common_m`` is what each place shares with others, m, shape (p,), and so is what is returned.
    """
    before = np.hypot(places.sigma_m, common_m)
    sigma = np.minimum(np.hypot(places.sigma_m, found.local_m), SIGMA_MOST_M)
    common = np.minimum(np.hypot(common_m, found.common_m), SIGMA_MOST_M)
    quality = places.quality * before / np.maximum(np.hypot(sigma, common), 1e-9)
    return dataclasses.replace(places, sigma_m=sigma, quality=np.clip(quality, 0.0, 1.0)), common


def cross_check(
    observations: Observations, candidates: Candidates, places: Places, frames: Frames
) -> Disagreement:
    """Hold phases, power and antennas against one another.

    Parameters
    ----------
    observations, candidates, frames
        Of the block.
    places : Places
    """
    n = len(places.tag)
    common, local, notes = np.zeros(n), np.zeros(n), []
    if n == 0:
        return Disagreement(common, local, ())
    rows = rows_of(candidates.start, places.candidate)
    owner = np.repeat(np.arange(n), np.diff(candidates.start)[places.candidate])
    obs = candidates.observation[rows]
    power = 10.0 ** (observations.rssi_dbm[obs] / 10.0) / candidates.density[rows]
    look = candidates.look[rows]
    ahead = np.clip(look[:, 0] / np.maximum(-look[:, 1], 0.3), -2.0, 2.0)
    spot = candidates.u[rows] + np.maximum(candidates.h[rows], 0.1) * ahead
    centre = _mean(owner, spot, power, n)
    by_phase = places.cells >= FEW_CELLS
    off, noise = _antennas(owner, spot, power, observations.antenna[obs], n)
    if off > 0.0:
        common[:] = np.hypot(common, off)
        notes.append(
            f"antennas hear the same tags up to {off:.2f} m apart along the face: a mount is not where run.json "
            "has it; bars widened"
        )
    bend = _bend_m(observations, candidates, places, rows, owner)
    if bend > BEND_LEAST_M:
        common = np.hypot(common, BEND_SHARE * bend)
        notes.append(
            f"phases of all tags stray together by {bend * 100:.1f} cm along the way: the poses drift by more "
            "than they state; bars widened"
        )
    # One antenna's centroids are not known for how coarse they are, and coarse ones say nothing against phases.
    if noise < COARSE_M:
        cut = _cut_short(owner, candidates.u[rows], observations.rssi_dbm[obs], places.offset_m)
        local[cut & by_phase] = CUT_SIGMA_M
        more, own, said = _phases(places, centre, by_phase & ~cut, noise, frames)
        common, local = np.hypot(common, more), np.hypot(local, own)
        notes += said
        beyond, said = _ends(places, centre, frames, noise)
        common = np.hypot(common, beyond)
        notes += said
    return Disagreement(common, local, tuple(notes))


def said_once(notes: list[str]) -> list[str]:
    """Return notes with each disagreement told once, though every block of a long run finds it."""
    seen: set[str] = set()
    out: list[str] = []
    for note in notes:
        kind = DIGITS.sub("", note) if WIDENED in note or UNUSED in note else note
        if kind not in seen:
            seen.add(kind)
            out.append(note)
    return out


def without_meaningless(places: Places) -> tuple[Places, list[str]]:
    """Return the places as if no phase had been read, where most tags' phases fit no place at all."""
    told = places.cells >= JUDGED_CELLS
    if told.sum() < FEWEST_TAGS:
        return places, []
    cells = places.cells[told]
    width = float(np.median(places.scale_rad[told] * np.sqrt(cells / (cells - TAKEN_CELLS))))
    if width < MEANINGLESS_RAD:
        return places, []
    note = (
        f"phases fit no place (residual {width:.2f} rad): their sign, the poses or the mounts are wrong; tags are "
        "placed where they are loudest"
    )
    return dataclasses.replace(places, cells=np.zeros(len(told))), [note]


def _bend_m(
    observations: Observations, candidates: Candidates, places: Places, rows: Ints, owner: Ints
) -> float:
    """Return by how much the phases of different tags stray together at one antenna and stretch of way, m."""
    obs = candidates.observation[rows]
    keep = np.isfinite(observations.phase_rad[obs]) & (places.cells[owner] >= JUDGED_CELLS)
    rows, owner, obs = rows[keep], owner[keep], obs[keep]
    if len(rows) == 0:
        return 0.0
    k = observations.wavenumber[obs]
    left = observations.phase_rad[obs] - k * distances(candidates, places)[rows]
    group = np.unique(
        owner * (1 + int(candidates.group.max())) + candidates.group[rows], return_inverse=True
    )[1]
    weight = 1.0 / candidates.density[rows]
    unit = np.bincount(group, weight * np.cos(left)) + 1j * np.bincount(group, weight * np.sin(left))
    stray = np.angle(np.exp(1j * (left - np.angle(unit)[group]))) / k
    way = np.round(observations.way_m[obs] / TOGETHER_M).astype(np.int64)
    spot = np.unique(observations.antenna[obs] * 100_000_000 + way, return_inverse=True)[1]
    # Products of different tags only: all products of a spot less those within a tag.
    n = len(places.tag)
    pair, at = np.unique(spot * n + owner, return_inverse=True)
    total, number = np.bincount(at, stray), np.bincount(at)
    of = pair // n
    products = (np.bincount(of, total) ** 2 - np.bincount(of, total**2)).sum()
    pairs = (np.bincount(of, number) ** 2 - np.bincount(of, number**2)).sum()
    return float(np.sqrt(max(products / pairs, 0.0))) if pairs >= FEWEST_PAIRS else 0.0


def _mean(key: Ints, value: Floats, weight: Floats, n: int) -> Floats:
    total = np.bincount(key, weight, n)
    return np.asarray(
        np.where(total > 0, np.bincount(key, weight * value, n) / np.maximum(total, 1e-300), np.nan),
        np.float64,
    )


def _antennas(owner: Ints, spot: Floats, power: Floats, antenna: Ints, n: int) -> tuple[float, float]:
    """Return how far the farthest antenna is off the others beyond chance, and how centroids scatter; NaN: one only."""
    ids, column = np.unique(antenna, return_inverse=True)
    if len(ids) < 2:
        return 0.0, float("nan")
    key = owner * len(ids) + column
    size = n * len(ids)
    centre = _mean(key, spot, power, size).reshape(n, len(ids))
    centre[np.bincount(key, minlength=size).reshape(n, len(ids)) < FEWEST_HEARD] = np.nan
    several = np.isfinite(centre).sum(axis=1) > 1
    if several.sum() < FEWEST_TAGS:
        return 0.0, float("nan")
    apart: Floats = centre[several]
    scatter: list[Floats] = []
    off = 0.0
    for a in range(len(ids)):
        for b in range(a):
            gap = apart[:, a] - apart[:, b]
            gap = gap[np.isfinite(gap)]
            if len(gap) < FEWEST_TAGS:
                continue
            scatter.append(gap - np.median(gap))
            chance = DOUBT * 1.25 * deviation(gap) / np.sqrt(len(gap)) + LEAN_M
            off = max(off, abs(float(np.median(gap))) if abs(np.median(gap)) > chance else 0.0)
    if not scatter:
        return 0.0, float("nan")
    # A tag's centroid is that of several antennas, but what they share is in all of them: no less than one's.
    return off, deviation(np.concatenate(scatter)) / np.sqrt(2.0)


def _phases(
    places: Places, centre: Floats, judged: Bools, noise: float, frames: Frames
) -> tuple[Floats, Floats, list[str]]:
    """Hold the phases' places against the centroids: by face, over the run, and tag by tag."""
    n = len(centre)
    common, local, notes = np.zeros(n), np.zeros(n), []
    apart = places.offset_m - centre
    left = apart.copy()
    usual = np.hypot(noise, np.median(places.sigma_m[judged])) if judged.any() else noise
    for face in np.unique(places.face[judged]).tolist():
        here = judged & (places.face == face)
        if here.sum() < FEWEST_TAGS:
            continue
        middle = float(np.median(apart[here]))
        left[places.face == face] -= middle
        chance = DOUBT * 1.25 * max(deviation(apart[here]), noise) / np.sqrt(here.sum()) + LEAN_M
        if abs(middle) > chance:
            common[places.face == face] = abs(middle)
            notes.append(
                f"face {frames.ids[face]}: phases place tags {abs(middle):.2f} m from where they are loudest: poses, "
                "mounts or the plan are off; bars widened"
            )
    if judged.sum() < FEWEST_TAGS:
        return common, local, notes
    wide = deviation(left[judged])
    # Of a deviation from so many tags, this is chance, and what antennas' centroids of a tag lean by together.
    if wide > usual * (1.0 + DOUBT * 0.8 / np.sqrt(judged.sum())) + LEAN_M:
        local[judged] = np.sqrt(wide**2 - usual**2)
        notes.append(
            f"phases and power place tags {wide:.2f} m apart (deviation), where {usual:.2f} m would be usual: "
            "phases tell less than they seem to; bars widened"
        )
    far = judged & (np.abs(left) > FAR * max(wide, usual))
    local[far] = np.hypot(local[far], np.abs(left[far]))
    return common, local, notes


def _ends(places: Places, centre: Floats, frames: Frames, noise: float) -> tuple[Floats, list[str]]:
    """Return how far each face's tags are shifted out beyond an end; where most faces' are, it is the run's error."""
    out, notes = np.zeros(len(centre)), []
    found: dict[int, float] = {}
    for face in np.unique(places.face).tolist():
        here = (places.face == face) & np.isfinite(centre)
        if here.sum() < FEWEST_TAGS or frames.ids[face] is None:
            continue
        found[face] = beyond_end(centre[here], float(frames.length_m[face]), noise)
    wrong = [face for face, shift in found.items() if shift > 0.0]
    if not wrong:
        return out, notes
    for face in wrong:
        out[places.face == face] = found[face]
    most = float(np.median([found[face] for face in wrong]))
    if 2 * np.isin(places.face, wrong).sum() >= len(out):
        out = np.maximum(out, most)
    notes.append(
        f"tags of face {frames.ids[wrong[0]]}{' and others' if len(wrong) > 1 else ''} are heard some {most:.2f} m "
        "beyond its end: the clock, a mount, the map or the plan is off; bars widened"
    )
    return out, notes


def _cut_short(owner: Ints, u: Floats, rssi: Floats, offset_m: Floats) -> Bools:
    """Tell the tags that stand, and were loudest, where they were heard last: of their other side nothing is known."""
    n = len(offset_m)
    floor = np.quantile(rssi, 0.05) if len(rssi) else 0.0
    stretch = np.floor(u / STRETCH_M).astype(np.int64)
    low = np.full(n, np.iinfo(np.int64).max)
    high = np.full(n, np.iinfo(np.int64).min)
    np.minimum.at(low, owner, stretch)
    np.maximum.at(high, owner, stretch)
    spread = int((high - low).max()) + 1 if n and len(owner) else 1
    key = owner * spread + stretch - low[owner]
    mean = np.full(n * spread, -np.inf)
    some = np.bincount(key, minlength=n * spread)
    mean[some > 0] = (np.bincount(key, rssi, n * spread) / np.maximum(some, 1))[some > 0]
    table = mean.reshape(n, spread)
    top = table.max(axis=1)
    stretches = high - low + 1
    at = np.arange(n)
    first, last = table[at, 0], table[at, np.clip(stretches - 1, 0, spread - 1)]
    loud = np.maximum(first, last)
    end = STRETCH_M * np.where(first > last, low, high + 1)
    return np.asarray(
        (stretches >= LEAST_STRETCHES)
        & (loud > floor + LOUD_DB)
        & (loud > top - FALL_DB)
        & (np.abs(offset_m - end) < CUT_REACH_M),
        np.bool_,
    )
