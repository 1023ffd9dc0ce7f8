"""Several passes as one: what a tag's phase offset at an antenna keeps from pass to pass.

The offset between a tag's phases and its distances belongs to the tag, the reader and the cable; it stays while the
reader runs. A pose that drifted turns it a little, by the same angle for all tags of a stretch. So the tags together
tell each pass's turn against the others, and with it taken out a tag has one unknown phase an antenna, not one a pass:
where a pass gives four readings, most of them would be spent on it. What reflections do at a spot they do in every
pass: error bars count track cells once, however often they were passed.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from localization.faces import Candidates
from localization.observations import Observations
from localization.signal_model import CORRELATION_M

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Along a straight pass the way driven less the offset along the face is constant to this.
LANE_M = 0.5
#: A pass's turn is taken from the tags about this far along the face.
REACH_M = 0.7
#: So many tags must share the passes of an antenna, and agree so well (mean resultant length, each tag judged by the
#: others), for passes to be joined.
FEWEST_TAGS, AGREEMENT = 8, 0.6
#: A pass's turn is known at a place where so many other tags about it heard that pass.
FEWEST_NEAR = 3.0
#: Tags are summed in cells of this length along the face.
GRID_M = 0.05
ROUNDS = 6


def join_passes(
    observations: Observations, candidates: Candidates, chosen: Ints, offset_m: Floats, distance_m: Floats,
    weight: Floats,
) -> tuple[Observations, Candidates, bool]:  # fmt: skip
    """Join the passes of each antenna before a face where the tags there say that their phases belong together.

    Parameters
    ----------
    observations : Observations
    candidates : Candidates
    chosen : int64 array, shape (p,)
        The candidate of each placed tag.
    offset_m : float64 array, shape (p,)
        Where it was placed so far.
    distance_m : float64 array, shape (m,)
        Distance from the antenna of every row of ``candidates`` to that place; any value for rows of others.
    weight : float64 array, shape (m,)

    Returns
    -------
    observations : Observations
        With each pass's turn taken out of the phases.
    candidates : Candidates
        Rows sorted by antenna and offset, one group an antenna, where passes were joined.
    joined : bool
        Whether any were.
    """
    sums = _group_sums(observations, candidates, chosen, distance_m, weight)
    turned = np.zeros(int(candidates.start[-1]))
    joined = np.zeros(int(candidates.start[-1]), np.bool_)
    where = offset_m[sums.place]
    for key in np.unique(sums.key):
        here = np.flatnonzero(sums.key == key)
        lanes, lane = np.unique(_clusters(sums.lane_m[here], LANE_M), return_inverse=True)
        tags, tag = np.unique(sums.place[here], return_inverse=True)
        if len(lanes) < 2:
            continue
        table = np.zeros((len(tags), len(lanes)), np.complex128)
        np.add.at(table, (tag, lane), sums.phasor[here])
        turns, told, agreement, pairs = _turns(table, where[here[np.unique(tag, return_index=True)[1]]])
        if pairs < FEWEST_TAGS or agreement < AGREEMENT:
            continue
        for row, turn, known in zip(here, turns[tag, lane], told[tag, lane], strict=True):
            part = slice(sums.first[row], sums.last[row])
            if known:
                turned[part], joined[part] = turn, True
    if not joined.any():
        return observations, candidates, False
    # An observation lies in several candidates; its tag's own place decides for all of them, lest a face that the
    # tag does not stand on be fitted with more freedom.
    phase = observations.phase_rad.copy()
    phase[candidates.observation[joined]] -= turned[joined]
    of_observation = np.zeros(len(phase), np.bool_)
    of_observation[candidates.observation[joined]] = True
    joined = of_observation[candidates.observation]
    return (
        dataclasses.replace(observations, phase_rad=phase),
        _regrouped(observations, candidates, joined),
        True,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Sums:
    """One row a group of a placed tag: whose, which face and antenna, which lane, its phasor, and its rows."""

    place: Ints
    key: Ints
    lane_m: Floats
    phasor: npt.NDArray[np.complex128]
    first: Ints
    last: Ints


def _group_sums(
    observations: Observations, candidates: Candidates, chosen: Ints, distance_m: Floats, weight: Floats
) -> _Sums:
    """Sum each group of the chosen candidates to one phasor, and tell the lane it was heard from."""
    m = int(candidates.start[-1])
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(candidates.start))
    begins = np.flatnonzero(np.append(True, (np.diff(owner) != 0) | (np.diff(candidates.group) != 0)))
    ends = np.append(begins[1:], m)
    obs = candidates.observation
    phase = np.nan_to_num(observations.phase_rad[obs]) - observations.wavenumber[obs] * distance_m
    total = np.add.reduceat(weight * np.exp(1j * phase), begins)
    size = np.add.reduceat(np.ones(m), begins)
    way, u = observations.way_m[obs], candidates.u
    mean_way, mean_u = np.add.reduceat(way, begins) / size, np.add.reduceat(u, begins) / size
    lean = np.add.reduceat((way - np.repeat(mean_way, ends - begins)) * u, begins)
    along = np.where(lean >= 0.0, 1.0, -1.0)
    # Ways there and back are other lanes: far apart on purpose.
    lane = mean_way - along * mean_u + 1e6 * (along < 0)
    place = np.full(len(candidates.tag), -1, np.int64)
    place[chosen] = np.arange(len(chosen))
    mine = np.flatnonzero((place[owner[begins]] >= 0) & (np.abs(total) > 0.0))
    face, antenna = candidates.face[owner[begins[mine]]], observations.antenna[obs[begins[mine]]]
    return _Sums(
        place[owner[begins[mine]]], face * 256 + antenna, lane[mine], total[mine], begins[mine], ends[mine]
    )


def _clusters(value: Floats, gap: float) -> Ints:
    """Return a number for each run of values that lie within ``gap`` of the next one."""
    order = np.argsort(value)
    number = np.zeros(len(value), np.int64)
    number[order] = np.cumsum(np.append(0, np.diff(value[order]) > gap))
    return number


def _turns(
    table: npt.NDArray[np.complex128], where_m: Floats
) -> tuple[Floats, npt.NDArray[np.bool_], float, int]:
    """Return each pass's turn at each tag and whether others tell it (tags, lanes), the agreement, the tags that tell.

    Phase synchronization by alternating projections: a tag's own phasor is the sum of its passes with their turns
    taken out, and a pass's turn at a place is that of the tags about it against their own phasors.
    """
    near = _Neighbourhood(where_m)
    several = (table != 0.0).sum(axis=1) > 1
    # Where too few others heard a pass, nobody knows its turn, and it is left apart.
    told = near.of_others((table != 0.0).astype(np.float64)) >= FEWEST_NEAR
    # Strong tags have a louder voice, but not as much louder as they have more readings.
    table = table / np.sqrt(np.maximum(np.abs(table), 1e-12))
    turn = np.ones(table.shape, np.complex128)
    for _ in range(ROUNDS):
        own = (table * np.conj(turn)).sum(axis=1)
        own = own / np.maximum(np.abs(own), 1e-12)
        voices = table * np.conj(own)[:, None]
        heard = near.of_others(voices.real) + 1j * near.of_others(voices.imag)
        turn = np.where(told, heard / np.maximum(np.abs(heard), 1e-12), 1.0)
        # Only differences between passes mean anything: the first one that a place knows is not turned.
        turn = turn * np.conj(np.where(turn[:, :1] == 0.0, 1.0, turn[:, :1]))
    # Judged pairwise, by turns that the tag itself had no part in.
    straight = np.where(told, table * np.conj(turn), 0.0)[several]
    own = straight.sum(axis=1, keepdims=True) - straight
    weight = np.abs(straight) * np.abs(own)
    agreement = float(np.real(straight * np.conj(own)).sum() / max(weight.sum(), 1e-12))
    return np.angle(turn), told, agreement, int(several.sum())


class _Neighbourhood:
    """Sums over the other tags of a face, weighted by a Gaussian of their distance; memory by length, not by pairs."""

    def __init__(self, where_m: Floats) -> None:
        low = float(where_m.min()) if len(where_m) else 0.0
        self._cell = np.round((where_m - low) / GRID_M).astype(np.int64)
        self._cells = int(self._cell.max()) + 1 if len(where_m) else 1
        one = np.zeros(int(8 * REACH_M / GRID_M) + 1)
        one[len(one) // 2] = 1.0
        # A kernel of sum one, scaled so that a tag at the place itself counts one.
        self._scale = 1.0 / float(self._smooth(one[:, None]).max())

    @staticmethod
    def _smooth(value: Floats) -> Floats:
        out = gaussian_filter1d(value, REACH_M / GRID_M, axis=0, mode="constant", truncate=4.0)
        return np.asarray(out, np.float64)

    def of_others(self, value: Floats) -> Floats:
        """Return the weighted sum of the others' values at each tag, shape (tags, lanes)."""
        grid = np.zeros((self._cells, value.shape[1]))
        np.add.at(grid, self._cell, value)
        return self._scale * self._smooth(grid)[self._cell] - value


def _regrouped(
    observations: Observations, candidates: Candidates, joined: npt.NDArray[np.bool_]
) -> Candidates:
    """Return the candidates with the joined passes of an antenna as one group, rows of a group by offset."""
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(candidates.start))
    antenna = observations.antenna[candidates.observation]
    # Passes that were not joined keep a group of their own beside it.
    kind = antenna * 4096 + np.where(joined, 0, candidates.group + 1)
    order = np.lexsort((candidates.u, kind, owner))
    kind = kind[order]
    fresh = np.append(True, (np.diff(owner) != 0) | (np.diff(kind) != 0))
    count = np.cumsum(fresh) - 1
    group = count - np.repeat(count[candidates.start[:-1]], np.diff(candidates.start))
    u = candidates.u[order]
    # Density stays that of each pass: a spot heard in two passes counts twice in the sum, once in the error bar.
    low = np.repeat(u[np.flatnonzero(fresh)], np.diff(np.append(np.flatnonzero(fresh), len(u))))
    cell = np.floor((u - low) / CORRELATION_M).astype(np.int64)
    return dataclasses.replace(
        candidates, observation=candidates.observation[order], u=u, h=candidates.h[order], z=candidates.z[order],
        look=candidates.look[order], group=group.astype(np.int64), cell=cell,
        density=candidates.density[order],
    )  # fmt: skip
