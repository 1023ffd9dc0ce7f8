"""The fast path with the joint fit of shelves: tags placed each by itself, then bay by bay together.

The single-tag path tells before which bay each tag stands. Whole bays are then taken up again as blocks, their tags'
cells gathered anew (which costs less than keeping them), and every shelf is fitted by ``fast_shelf_fit`` as the whole
estimator does. Some bays of all over the run go first: their uprights tell what the run is off by along its faces.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from localization.calibration import Calibration
from localization.cells import Track
from localization.faces import Frames
from localization.fast import Ground, Placed, Taught, place_block
from localization.fast_shelf_fit import FastShelfFit
from localization.fast_shelf_pursued import PursuedShelfFit
from localization.shelf_fit import ShelfFit
from localization.shelf_group import ShelfGroup
from localization.shelf_scan import Block
from localization.shelves import refine_shelves
from localization.sorting import in_order
from localization.source import Source, ranges_of
from localization.upright_posterior import CONTRADICTED, Pinned, Prior
from localization.uprights import calibrated_prior, expected_shift, pin
from recording import Poses
from stacks.plan import Shelf

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Readings fitted at once, in whole bays.
BLOCK_READINGS = 100_000
#: Uprights are looked for in bays with so many readings in all, evenly spread over the run.
PIN_READINGS = 100_000
#: By which fits they are asked, one after the other while they say nothing or are far off: where tags' own places are
#: no start, the metal at the ends is.
PIN_KINDS: Final[tuple[type[ShelfFit], ...]] = (PursuedShelfFit, FastShelfFit, FastShelfFit)


@dataclass(frozen=True, slots=True)
class Found:
    """Where the single-tag path found tags; columns of shape (p,).

    Attributes
    ----------
    tag, face, shelf : int64 array
        ``shelf`` indexes the face's shelves; -1: none there.
    assumed_m : float64 array
        What each place shares with its neighbours by antennas, clock and poses.
    """

    tag: Ints
    face: Ints
    shelf: Ints
    assumed_m: Floats

    @classmethod
    def concat(cls, parts: list[Found]) -> Found:
        """Join the finds of several blocks."""
        if not parts:
            none = np.zeros(0, np.int64)
            return cls(none, none, none, np.zeros(0))
        return cls(
            *(np.concatenate([getattr(part, f.name) for part in parts]) for f in dataclasses.fields(cls))
        )


@dataclass(frozen=True, slots=True)
class Joint:
    """What the joint fits came to: shelves fitted and believed, and what their uprights told."""

    fitted: int
    believed: int
    pinned: Pinned | None

    def notes(self) -> list[str]:
        """Say it in a sentence."""
        return [
            f"each tag placed by itself, then {self.fitted} shelves jointly (fast); {self.believed} of these fits are"
            " believed"
        ]


def fit_bays(
    placed: Placed, ground: Ground, kind: type[ShelfFit] = PursuedShelfFit
) -> tuple[Placed, Block, tuple[ShelfGroup, ...]]:
    """Fit the shelves of a block's tags jointly by a ``kind`` of fit; return the block with its places then."""
    block = Block.of(
        placed.observations, placed.candidates, placed.hypotheses, placed.fits, ground.frames, placed.weight,
        ground.mounts,
    )  # fmt: skip
    refined = refine_shelves(block, placed.scores, placed.places, kind, choices=1)
    astray = placed.astray.copy()
    astray[refined.members] = 0.0  # their bars have the chance of theirs
    return dataclasses.replace(placed, places=refined.places, astray=astray), block, refined.groups


def pin_run(
    ground: Ground,
    source: Source,
    poses: Poses,
    way_m: Floats,
    found: Found,
    taught: Taught | None,
    calibration: Calibration,
    run_id: str,
    jobs: int,
) -> tuple[Pinned | None, Ground]:
    """Ask the uprights of some bays, evenly spread over the run, what it is off by along its faces.

    Returns
    -------
    pinned : Pinned or None
        None: they do not say.
    ground : Ground
        With faces and antennas where they say.

    ``way_m`` is the way driven to each pose, shape (poses,).
    """
    bays = _bays(found, ground.frames)
    if not bays:
        return None, ground
    each = float(np.mean([source.counts[bay].sum() for bay in bays]))
    number = min(max(1, round(PIN_READINGS / max(each, 1.0))), len(bays))
    some = [bays[n] for n in np.unique(np.linspace(0, len(bays) - 1, number).round().astype(np.int64))]
    ids = ground.frames.ids
    sigma = np.full(len(ids), np.nan)
    for face in np.unique(found.face):
        sigma[face] = np.median(found.assumed_m[found.face == face])
    usual = Prior.usual(sigma, expected_shift(calibration, ids))
    stated = np.array([np.nan]) if poses.sigma_xy_m is None else poses.sigma_xy_m.astype(np.float64)
    prior = calibrated_prior(calibration, ids, run_id, stated) or usual
    pinned: Pinned | None = None
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for kind in PIN_KINDS:
            running = [pool.submit(_fitted, ground, source, tags, taught, kind) for tags in some]
            made = [one for one in (future.result() for future in running) if one is not None]
            said = None
            if made:
                said = pin(
                    made[0][1],
                    tuple(group for _, _, groups in made for group in groups),
                    prior if pinned is None else prior.after(pinned),
                )
            if said is None:
                continue
            pinned = said if pinned is None else pinned.then(said)
            if pinned.against > CONTRADICTED:
                prior = usual
            frames, mounts = said.applied(ground.frames, ground.mounts)
            track = Track.of(poses, way_m, mounts, frames)
            ground = dataclasses.replace(ground, frames=frames, mounts=mounts, track=track)
            if not said.far:
                break
    return pinned, ground


def run_joint(
    ground: Ground, source: Source, found: Found, taught: Taught | None, jobs: int,
    fill: Callable[[Placed], object], tell: Callable[[float], None],
) -> tuple[int, int]:  # fmt: skip
    """Place the tags that the single-tag path found on shelves anew, bay by bay.

    Parameters
    ----------
    fill : callable
        Takes each block once it is placed.
    tell : callable
        Is told the share done.

    Returns
    -------
    fitted, believed : int
        Shelves.
    """
    bays = _bays(found, ground.frames)

    def work(part: tuple[int, int]) -> tuple[int, int]:
        one = _fitted(ground, source, np.sort(np.concatenate(bays[part[0] : part[1]])), taught)
        if one is None:
            return 0, 0
        placed, _, groups = one
        fill(placed)
        return len(groups), sum(group.believed for group in groups)

    counts = np.array([source.counts[bay].sum() for bay in bays], np.int64)
    parts = ranges_of(counts, BLOCK_READINGS)
    total = np.zeros(2, np.int64)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for number, done in enumerate(in_order(pool, work, parts, 2 * max(1, jobs))):
            total += done
            tell((number + 1) / len(parts))
    return int(total[0]), int(total[1])


def _fitted(
    ground: Ground, source: Source, tags: Ints, taught: Taught | None, kind: type[ShelfFit] = PursuedShelfFit
) -> tuple[Placed, Block, tuple[ShelfGroup, ...]] | None:
    placed = place_block(ground, source.of(tags), taught)
    return None if placed is None else fit_bays(placed, ground, kind)


def _from_m(shelf: Shelf) -> float:
    return shelf.from_m


def _bays(found: Found, frames: Frames) -> list[Ints]:
    """Return the tags of each bay, face by face and from its left, as far as they were found on shelves."""
    on = np.flatnonzero(found.shelf >= 0)
    key = np.zeros(len(on), np.int64)
    number = 0
    for face in np.unique(found.face[on]):
        known = frames.faces[face]
        assert known is not None
        by_left = sorted(known.shelves, key=_from_m)
        order = {bay: number + n for n, bay in enumerate(dict.fromkeys(shelf.bay for shelf in by_left))}
        of_shelf = np.array([order[shelf.bay] for shelf in known.shelves], np.int64)
        mine = found.face[on] == face
        key[mine] = of_shelf[found.shelf[on][mine]]
        number += len(order)
    by_bay = np.argsort(key, kind="stable")
    cuts = np.flatnonzero(np.diff(key[by_bay])) + 1
    return [found.tag[on[part]] for part in np.split(by_bay, cuts)] if len(on) else []
