"""What a robot heard of one shelf, as the joint fit takes it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.faces import Candidates, Frames, rows_of
from localization.hypotheses import Hypotheses, tag_height
from localization.loudness import CENTRE_SIGMA_M, CENTRE_WRONG, power_centre
from localization.observations import Mounts, Observations
from localization.profile import Fits
from stacks.plan import Shelf

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: What a scan has one of for each observation.
COLUMNS = ("u", "h", "z", "look", "k", "exponent", "fold", "phase", "weight", "group", "antenna")


@dataclass(frozen=True, slots=True)
class Block:
    """A block's observations with what the single-tag steps made of them.

    Attributes
    ----------
    weight : float64 array, shape (m,)
        Of the candidates' observations, see ``profile.weigh``.
    centre_m : float64 array, shape (c,)
        Where along its face each candidate was heard best.
    """

    observations: Observations
    candidates: Candidates
    hypotheses: Hypotheses
    fits: Fits
    frames: Frames
    weight: Floats
    mounts: Mounts
    centre_m: Floats

    @classmethod
    def of(
        cls, observations: Observations, candidates: Candidates, hypotheses: Hypotheses, fits: Fits, frames: Frames,
        weight: Floats, mounts: Mounts,
    ) -> Block:  # fmt: skip
        """Collect a block; ``weight`` is that of every row of the candidates, shape (m,)."""
        centre = power_centre(observations, candidates)
        return cls(observations, candidates, hypotheses, fits, frames, weight, mounts, centre)

    def candidates_of(self, hypothesis: Ints) -> Ints:
        """Return the candidate of each hypothesis, both of shape (k,)."""
        return np.asarray(np.searchsorted(self.hypotheses.start, hypothesis, side="right") - 1, np.int64)

    def board(self, face: int, shelf: int) -> Shelf:
        """Return a shelf of the plan."""
        known = self.frames.faces[face]
        assert known is not None
        return known.shelves[shelf]


@dataclass(frozen=True, slots=True)
class ShelfScan:
    """What was heard of one shelf's tags: ``i`` tags, ``n`` observations sorted by tag, then group.

    Attributes
    ----------
    start : int64 array, shape (i + 1,)
    u, h, z, k, exponent, fold, phase, weight : float64 array, shape (n,)
        See ``shelf_kernels``; ``phase`` as heard, ``weight`` one a witness.
    look : float64 array, shape (n, 3)
    group : int64 array, shape (n,)
        What shares one unknown phase, numbered over the shelf.
    antenna : int64 array, shape (n,)
    from_m, to_m, height_m : float
        The shelf's ends, and where tags are over the floor.
    """

    start: Ints
    u: Floats
    h: Floats
    z: Floats
    look: Floats
    k: Floats
    exponent: Floats
    fold: Floats
    phase: Floats
    weight: Floats
    group: Ints
    antenna: Ints
    from_m: float
    to_m: float
    height_m: float

    def __len__(self) -> int:
        return len(self.start) - 1

    def moved_by(self, across_m: Floats) -> float:
        """Return how far what is seen moves along as antennas move to the left of their boresights, shape (256,)."""
        # Seen from above, (along, out) is left-handed.
        left = self.look[:, 1] / np.hypot(self.look[:, 0], self.look[:, 1])
        total = float(self.weight.sum())
        return float((self.weight * left) @ across_m[self.antenna]) / total if total > 0.0 else 0.0

    @property
    def owner(self) -> Ints:
        """The tag of each observation, shape (n,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    def select(self, tags: Ints) -> ShelfScan:
        """Return the scan of some of the tags, indices of shape (k,)."""
        size = np.diff(self.start)[tags]
        first = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        rows = np.arange(first[-1]) + np.repeat(self.start[tags] - first[:-1], size)
        return dataclasses.replace(self, start=first, **{name: getattr(self, name)[rows] for name in COLUMNS})

    def of_rows(self, keep: npt.NDArray[np.bool_], stands_for: Ints) -> ShelfScan:
        """Return some of the observations (a mask, shape (n,)), each with the weight of so many (shape (kept,))."""
        count = np.bincount(self.owner[keep], minlength=len(self))
        columns = {name: getattr(self, name)[keep] for name in COLUMNS}
        columns["weight"] = columns["weight"] * stands_for[keep]
        start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        return dataclasses.replace(self, start=start, **columns)


def scan_of(block: Block, chosen: Ints, board: Shelf) -> ShelfScan:
    """Return what was heard of some candidates (shape (i,)), as if their tags stood on a shelf of their face."""
    observations, candidates, weight, mounts = (
        block.observations,
        block.candidates,
        block.weight,
        block.mounts,
    )
    rows, size = rows_of(candidates.start, chosen), np.diff(candidates.start)[chosen]
    owner = np.repeat(np.arange(len(chosen)), size)
    obs = candidates.observation[rows]
    fold = np.where(observations.doubled[obs], 4.0, 2.0)
    phase, own = observations.phase_rad[obs], candidates.group[rows]
    return ShelfScan(
        start=np.concatenate([[0], np.cumsum(size)]).astype(np.int64),
        u=candidates.u[rows],
        h=candidates.h[rows],
        z=candidates.z[rows],
        look=np.ascontiguousarray(candidates.look[rows]),
        k=observations.wavenumber[obs] / fold,
        exponent=pattern_exponent(mounts.beamwidth_deg)[observations.antenna[obs]],
        fold=fold,
        phase=np.nan_to_num(phase),
        weight=np.where(np.isfinite(phase), weight[rows], 0.0),
        group=np.cumsum((np.diff(owner, prepend=-1) != 0) | (np.diff(own, prepend=-1) != 0)) - 1,
        antenna=observations.antenna[obs].astype(np.int64),
        from_m=board.from_m,
        to_m=board.to_m,
        height_m=tag_height(board.board_z_m, board.clear_m),
    )


def pattern_exponent(beamwidth_deg: Floats) -> Floats:
    """Return the powers of the cosine that fields of so wide beams are, (n,): half the power at half the beamwidth."""
    beamwidth = np.clip(beamwidth_deg, 20.0, 170.0)
    return np.asarray(-0.5 * np.log(2.0) / np.log(np.cos(np.radians(beamwidth) / 2.0)), np.float64)


def centre_prior(block: Block, chosen: Ints, x: Floats) -> Floats:
    """Return the log-chance of each offset by where a tag was heard best, shape (i, x)."""
    away = (x - block.centre_m[chosen][:, None]) / CENTRE_SIGMA_M
    return np.asarray(np.logaddexp(-0.5 * away**2, CENTRE_WRONG), np.float64)
