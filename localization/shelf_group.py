"""A shelf's tags with their joint fit, and whether the fit is to be believed.

Whether it is, tags judge that did not take part: the scatterers' strengths are fitted anew to half of a shelf's tags,
and must make the phases of the other half likelier. A shelf where they do not keeps its tags where each was placed by
itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from localization.faces import rows_of
from localization.placing import FEW_CELLS, Places
from localization.shelf_fit import ShelfFit, Sites, offsets_of
from localization.shelf_scan import Block, ShelfScan, centre_prior, scan_of
from localization.sorting import spread
from localization.steps import Progress, one_by_one, silent

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: A shelf with fewer tags does not tell its scatterers.
FEWEST_TAGS = 6
#: How far beyond a shelf's ends its tags are looked for: what surveys and odometry disagree by.
SLACK_M = 0.05
#: Scatterers are believed when they raise the log-likelihood of tags held out by so much, by so much a tag (strengths
#: found among phases that mean nothing reach 0.1 to 0.6), and by so many standard errors of the tags' mean.
LEAST_HELD_OUT, LEAST_PER_TAG, LEAST_ERRORS = 12.0, 0.75, 2.5
#: Right fits leave 0.4 to 0.6 rad (median of their tags) on simulated harsh libraries, fits of phases with the wrong
#: sign 0.9, whose held-out tags they explain a little as these are wrong alike.
MOST_LEFT_RAD = 0.75
#: One that leaves more than this may stand beside a better one, and is no start for the next.
START_LEFT_RAD = 0.35


@dataclass(frozen=True, slots=True)
class ShelfGroup:
    """A shelf that was fitted: which, its tags (rows of the places, shape (i,)), the fit, and whether it is believed.

    ``way`` is the robot's mean heading along the face, as a cosine: 1 the way offsets grow, -1 against it.
    """

    face: int
    shelf: int
    members: Ints
    fit: ShelfFit
    believed: bool
    way: float


#: Scatterers by face and shelf.
Starts = Mapping[tuple[int, int], Sites]


def group_shelves(
    block: Block,
    places: Places,
    kind: type[ShelfFit] = ShelfFit,
    *,
    kept: Sequence[ShelfGroup] = (),
    starts: Starts = MappingProxyType({}),
    jobs: int = 1,
    tell: Progress = silent,
) -> list[ShelfGroup]:
    """Fit every shelf with enough tags.

    Parameters
    ----------
    kind : type of ShelfFit
    kept : sequence of ShelfGroup
        Shelves that an earlier round fitted, and whose tags are the same.
    starts : mapping
        What an earlier fit found on a shelf whose tags are nearly the same; the others begin from nothing.
    jobs : int
        Threads.
    tell : callable(share, text)
        Told of every shelf.
    """
    known = {(group.face, group.shelf): group for group in kept}
    usable = (places.cells >= FEW_CELLS) & (places.shelf >= 0)
    keys = sorted(set(zip(places.face[usable].tolist(), places.shelf[usable].tolist(), strict=True)))

    def grouped(key: tuple[int, int]) -> ShelfGroup | None:
        if key in known:
            return known[key]
        face, shelf = key
        members = np.flatnonzero(usable & (places.face == face) & (places.shelf == shelf))
        if len(members) < FEWEST_TAGS:
            return None
        return _fitted(block, places, face, shelf, members, kind, starts.get(key))

    one_more = one_by_one(tell, len(keys), "fitting shelves")

    def told(key: tuple[int, int]) -> ShelfGroup | None:
        group = grouped(key)
        one_more()
        return group

    return [group for group in spread(jobs, told, keys) if group is not None]


def starts_of(groups: Sequence[ShelfGroup]) -> dict[tuple[int, int], Sites]:
    """Return what was found on some shelves, as far as it explains their phases well."""
    return {
        (group.face, group.shelf): group.fit.sites
        for group in groups
        if group.believed and group.fit.left_rad < START_LEFT_RAD
    }


def _fitted(
    block: Block,
    places: Places,
    face: int,
    shelf: int,
    members: Ints,
    kind: type[ShelfFit],
    start: Sites | None,
) -> ShelfGroup:
    chosen = places.candidate[members]
    scan = scan_of(block, chosen, block.board(face, shelf))
    given = scan, places.offset_m[members], log_prior(block, chosen, scan), SLACK_M
    fit = kind(*given).run(start)
    believed = _believed(fit)
    if not believed and start is not None:
        fit = kind(*given).run()
        believed = _believed(fit)
    if not believed and kind.again is not None:
        fit = kind.again(*given).run()
        believed = _believed(fit)
    fit.let_go()
    return ShelfGroup(face, shelf, members, fit, believed, heading_along(block, chosen))


def _believed(fit: ShelfFit) -> bool:
    return not fit.doubtful and fit.left_rad < MOST_LEFT_RAD and held_out(fit)


def heading_along(block: Block, chosen: Ints) -> float:
    """Return the robot's mean heading along the face while these candidates were heard, as a cosine.

    Not the direction of travel: phase centres are off by what they are ahead of their mounts, backwards or not. A
    horizontal boresight at ``phi`` to the face's direction and ``beta`` to the robot's heading puts that at
    ``phi - beta``; seen in the face's axes (along, out) it is ``(cos phi, -sin phi)``.
    """
    rows = rows_of(block.candidates.start, chosen)
    look = block.candidates.look[rows, :2]
    mount = block.mounts.boresight[block.observations.antenna[block.candidates.observation[rows]], :2]
    along = look[:, 0] * mount[:, 0] - look[:, 1] * mount[:, 1]
    level = np.hypot(look[:, 0], look[:, 1]) * np.hypot(mount[:, 0], mount[:, 1])
    told = level > 1e-6
    return round(float(np.clip(np.mean(along[told] / level[told]), -1.0, 1.0)), 6) if told.any() else 0.0


def log_prior(block: Block, chosen: Ints, scan: ShelfScan) -> Floats:
    """Return what is known of chosen candidates' offsets besides their phases, at the offsets a fit tries, (i, x)."""
    return centre_prior(block, chosen, offsets_of(scan, SLACK_M))


def held_out(fit: ShelfFit) -> bool:
    """Tell whether scatterers fitted to half of the tags make the other half likelier, either way round."""
    order = np.argsort(fit.offset_m)
    gain = fit.gain_of((np.sort(order[::2]), np.sort(order[1::2])))
    error = float(gain.std()) / np.sqrt(len(gain)) + 1e-9
    return bool(gain.sum() > LEAST_HELD_OUT and gain.mean() > max(LEAST_PER_TAG, LEAST_ERRORS * error))
