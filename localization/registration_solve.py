"""The common solution of a registration: Gauss-Newton over all tags at once, each tag's own place eliminated."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.faces import Candidates
from localization.hypotheses import DEPTH_SIGMA_M
from localization.observations import Observations

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Errors of an antenna's phase centre across and along its boresight.
ACROSS_SIGMA_M, AHEAD_SIGMA_M = 0.03, 0.08
#: Weight that holds the mean of the shifts at zero, per metre.
GAUGE = 1e4
#: Freedom of a tag's own height in the common solution.
HEIGHT_SIGMA_M = 0.3
#: Degrees of freedom of the residual's Student-t, as in ``kernels.refine``.
STUDENT_NU = 4.0
#: A tag whose residual (rad) is as wide as chance would have it teaches nothing.
SCALE_MOST_RAD = 1.1
#: A deviation is not widened by more.
EXCESS_MOST = 10.0
#: No step is longer.
STEP_MOST_M = 0.05


@dataclass(slots=True)
class State:
    """The solution so far, and how far each face may lie from where it should.

    ``across_m`` and ``ahead_m`` are by mount's number, shape (256,), ``depth_m`` and ``depth_sigma_m`` of every face,
    shape (faces,).
    """

    across_m: Floats
    ahead_m: Floats
    depth_m: Floats
    depth_sigma_m: Floats


def moved(observations: Observations, candidates: Candidates, state: State) -> Candidates:
    """Return the candidates with antennas and faces where the solution puts them."""
    antenna = observations.antenna[candidates.observation]
    ahead, left = _axes(candidates)
    shift = state.across_m[antenna, None] * left + state.ahead_m[antenna, None] * ahead
    face = np.repeat(candidates.face, np.diff(candidates.start))
    return dataclasses.replace(
        candidates, u=candidates.u + shift[:, 0], h=candidates.h + shift[:, 1] + state.depth_m[face]
    )


def _axes(candidates: Candidates) -> tuple[Floats, Floats]:
    """Return the horizontal boresight and its left in the face's axes (along, out), two of shape (m, 2)."""
    ahead = candidates.look[:, :2] / np.hypot(candidates.look[:, 0], candidates.look[:, 1])[:, None]
    # Seen from above, (along, out) is left-handed: a face's normal points to the right of its direction.
    return ahead, np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)


def solve(
    observations: Observations, candidates: Candidates, fits: Floats, weight: Floats, antennas: Ints,
    open_rack: npt.NDArray[np.bool_], state: State,
) -> tuple[float, Floats]:  # fmt: skip
    """One Gauss-Newton step of phase centres and distances together.

    Changes ``state``; returns the largest step and the deviation of every unknown. The deviations are a sandwich over
    tags: how far the tags disagree, whatever their own likelihoods claim.

    Parameters
    ----------
    observations : Observations
    candidates : Candidates
        One a tag.
    fits : float64 array, shape (tags, 8)
        As ``kernels.refine`` fills them.
    weight : float64 array, shape (m,)
    antennas : int64 array, shape (a,)
    open_rack : bool array, shape (tags,)
    state : State
    """
    size = np.diff(candidates.start)
    owner = np.repeat(np.arange(len(size)), size)
    obs = candidates.observation
    k, antenna = observations.wavenumber[obs], observations.antenna[obs]
    du, dh, dz = candidates.u - fits[owner, 0], candidates.h + fits[owner, 1], candidates.z - fits[owner, 2]
    distance = np.sqrt(du**2 + dh**2 + dz**2) + 1e-9
    group = owner * (int(candidates.group.max()) + 1) + candidates.group
    residual, believed, excess = _residuals(
        np.nan_to_num(observations.phase_rad[obs]) - k * distance, group, weight, fits[owner, 4]
    )
    believed[fits[owner, 4] > SCALE_MOST_RAD] = 0.0
    along, out, up = k * du / distance, k * dh / distance, k * dz / distance
    ahead, left = _axes(candidates)
    mine = antenna[:, None] == antennas[None, :]
    number = len(antennas)
    common = np.concatenate(
        [
            mine * (along * left[:, 0] + out * left[:, 1])[:, None],
            mine * ((along * ahead[:, 0] + out * ahead[:, 1]) * open_rack[owner])[:, None],
            out[:, None],
        ],
        axis=1,
    )
    own = np.stack([-along, out, -up], axis=1)
    # A group's unknown phase takes the mean of everything.
    columns = _less_mean(np.concatenate([own, common, residual[:, None]], axis=1), group, believed)
    begin = candidates.start[:-1]
    gram = np.stack(
        [
            np.add.reduceat(believed[:, None] * columns * columns[:, [j]], begin)
            for j in range(columns.shape[1])
        ],
        axis=1,
    )
    prior = np.array([1e-3, DEPTH_SIGMA_M**-2, HEIGHT_SIGMA_M**-2])
    own_gram = gram[:, :3, :3] + np.diag(prior)
    own_right = gram[:, :3, -1].copy()
    own_right[:, 1] -= prior[1] * fits[:, 1]
    cross = gram[:, :3, 3:-1]
    solved = np.linalg.solve(own_gram, np.concatenate([cross, own_right[:, :, None]], axis=2))
    left_over = gram[:, 3:-1, 3:-1] - np.swapaxes(cross, 1, 2) @ solved[:, :, :-1]
    right = gram[:, 3:-1, -1] - (np.swapaxes(cross, 1, 2) @ solved[:, :, -1:])[:, :, 0]
    faces, place = np.unique(candidates.face, return_inverse=True)
    matrix, vector, scatter = _assembled(left_over, right, place, 2 * number, len(faces))
    now = np.concatenate([state.across_m[antennas], state.ahead_m[antennas], state.depth_m[faces]])
    trust = np.concatenate(
        [
            np.full(number, ACROSS_SIGMA_M**-2),
            np.full(number, AHEAD_SIGMA_M**-2),
            state.depth_sigma_m[faces] ** -2,
        ]
    )
    # Seen from above, left of every boresight is the same way along a face: moving all antennas moves all tags. And
    # moving them all ahead is moving all faces nearer.
    gauge = np.zeros((2, len(now)))
    gauge[0, :number] = gauge[1, number : 2 * number] = GAUGE
    matrix = matrix + np.diag(trust) + gauge.T @ gauge
    step = np.linalg.solve(matrix, vector - trust * now - gauge.T @ (gauge @ now))
    step = np.clip(step, -STEP_MOST_M, STEP_MOST_M)
    state.across_m[antennas] += step[:number]
    state.ahead_m[antennas] += step[number : 2 * number]
    state.depth_m[faces] += step[2 * number :]
    inverse = np.linalg.inv(matrix)
    return float(np.abs(step).max()), excess * np.sqrt(np.diag(inverse @ scatter @ inverse))


def _residuals(phase: Floats, group: Ints, weight: Floats, scale: Floats) -> tuple[Floats, Floats, float]:
    """Return wrapped residuals less each group's robust mean, and what each is believed, per rad squared.

    The third is by how much the weights overstate how steeply the cost rises: their sum over that of the influence
    function's derivative (Huber, Robust Statistics, section 7.6), which is what a deviation must be made from.
    """
    believed = weight.copy()
    residual = phase
    for _ in range(3):
        mean = np.bincount(group, believed * np.cos(phase)) + 1j * np.bincount(
            group, believed * np.sin(phase)
        )
        residual = phase - np.angle(mean)[group]
        residual -= 2 * np.pi * np.round(residual / (2 * np.pi))
        believed = weight * (STUDENT_NU + 1.0) / (STUDENT_NU + (residual / scale) ** 2)
    square = (residual / scale) ** 2
    steep = weight * (STUDENT_NU + 1.0) * (STUDENT_NU - square) / (STUDENT_NU + square) ** 2 / scale**2
    excess = float((believed / scale**2).sum() / max(steep.sum(), 1e-9))
    return residual, believed / scale**2, min(max(excess, 1.0), EXCESS_MOST)


def _less_mean(columns: Floats, group: Ints, weight: Floats) -> Floats:
    total = np.bincount(group, weight) + 1e-12
    mean = np.stack([np.bincount(group, weight * column) / total for column in columns.T], axis=1)
    return columns - mean[group]


def _assembled(
    left: Floats, right: Floats, face: Ints, shared: int, faces: int
) -> tuple[Floats, Floats, Floats]:
    """Sum the tags' equations: the first ``shared`` unknowns are common, the last belongs to the tag's face.

    Returns the matrix, the right-hand side and the sum over tags of their right-hand sides' outer products.
    """
    tags = np.arange(len(face))
    spread = np.zeros((len(face), shared + faces))
    spread[:, :shared] = right[:, :shared]
    spread[tags, shared + face] = right[:, shared]
    matrix = np.zeros((shared + faces, shared + faces))
    matrix[:shared, :shared] = left[:, :shared, :shared].sum(axis=0)
    np.add.at(matrix, (shared + face, shared + face), left[:, shared, shared])
    for column in range(shared):
        np.add.at(matrix, (shared + face, np.full(len(face), column)), left[:, shared, column])
    matrix[:shared, shared:] = matrix[shared:, :shared].T
    return matrix, spread.sum(axis=0), spread.T @ spread
