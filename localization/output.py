"""From blocks of places to the columns of positions and coverage."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from localization.calibration import Calibration
from localization.coverage import make_coverage
from localization.faces import Candidates, Frames
from localization.listening import Listening
from localization.observations import Observations
from localization.oddity_traits import Traits
from localization.order import rank_on_shelves
from localization.placing import Places, RunLaw
from localization.positions import Coverage, Positions
from localization.shelf_group import ShelfGroup
from localization.shelf_scan import Block
from recording import Recording

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Log-odds of a shelf count for so much: what speaks for it comes from the same few reflections (simulated libraries of
#: half, once and twice the usual trouble: logarithmic score best at 0.7 to 0.9).
SHELF_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Part:
    """What one block of tags came to.

    ``common_m`` and ``assumed_m`` are of every place, m, shape (p,).
    """

    frames: Frames
    observations: Observations
    candidates: Candidates
    places: Places
    common_m: Floats
    law: RunLaw | None
    notes: list[str]
    traits: Traits | None = None
    #: What the joint fits of its shelves were made of, and the fits.
    block: Block | None = None
    groups: tuple[ShelfGroup, ...] = ()
    #: Its observations, the scattered part taken out of the phases of tags on believed shelves.
    cleared: Observations | None = None
    #: What its places share by antennas, clock and poses alone, before they were held against one another.
    assumed_m: Floats = field(default_factory=lambda: np.zeros(0))


def heard_positions(recording: Recording) -> Positions:
    """Return a row for every tag heard, with no place yet."""
    readings = recording.readings
    n = len(readings.tags)
    tag = readings.tag.astype(np.int64)
    seen = np.ones(len(tag)) if readings.seen_count is None else readings.seen_count.astype(np.float64)
    first, last = np.full(n, np.iinfo(np.int64).max), np.zeros(n, np.int64)
    np.minimum.at(first, tag, readings.t)
    np.maximum.at(last, tag, readings.t)
    pairs = np.unique(tag * 256 + readings.antenna)
    blank = Positions.empty(n)
    heard = dataclasses.replace(
        blank,
        epc=np.array(readings.tags, object) if n else blank.epc,
        readings=np.round(np.bincount(tag, np.maximum(seen, 1.0), n)).astype(np.int64),
        antennas=np.bincount(pairs // 256, minlength=n).astype(np.int64),
        quality=np.zeros(n),
        heard_from=first,
        heard_to=last,
    )
    return heard.select(np.bincount(tag, minlength=n) > 0) if n else heard


def joined(every: Positions, some: Positions) -> Positions:
    """Return the rows of ``every`` with what ``some`` know of the places of theirs."""
    row = {epc: number for number, epc in enumerate(every.epc.tolist())}
    at = np.array([row[epc] for epc in some.epc.tolist()], np.int64)
    columns = {
        name: getattr(every, name).copy()
        for name in (f.name for f in dataclasses.fields(every))
        if name not in ("epc", "readings", "antennas", "heard_from", "heard_to")
    }
    for name, values in columns.items():
        values[at] = getattr(some, name)
    return dataclasses.replace(every, **columns)


def fill_positions(positions: Positions, part: Part, row_of: Ints, calibration: Calibration) -> None:
    """Write a block's places into the rows of its tags.

    ``row_of`` is the row of each tag of the recording, shape (tags,).
    """
    places, frames = part.places, part.frames
    if len(places.tag) == 0:
        return
    rows = row_of[part.observations.tag[places.tag]]
    of_face = np.array([calibration.face_shift_m.get(name or "", 0.0) for name in frames.ids], np.float64)
    offset = places.offset_m + of_face[places.face]
    x, y = frames.to_map(places.face, offset, places.depth_m)
    positions.x_m[rows], positions.y_m[rows], positions.z_m[rows] = x, y, places.height_m
    positions.sigma_local_m[rows] = places.sigma_m
    positions.sigma_along_m[rows] = np.hypot(places.sigma_m, part.common_m)
    positions.quality[rows] = places.quality
    p_shelf, p_alt = _believed(places.p, places.p_alt)
    positions.p_shelf[rows] = p_shelf
    named = np.array([frames.ids[f] is not None for f in places.face])
    faces = np.array([frames.ids[f] for f in places.face], object)
    positions.face_id[rows[named]] = faces[named]
    positions.offset_m[rows[named]] = offset[named]
    positions.shelf_id[rows] = _shelf_ids(frames, places.face, places.shelf)
    positions.alt_shelf_id[rows] = _shelf_ids(frames, places.alt_face, places.alt_shelf)
    other = (places.alt_face >= 0) & named
    positions.alt_offset_m[rows] = np.nan
    positions.alt_offset_m[rows[other]] = (places.alt_offset_m + of_face[places.alt_face])[other]
    positions.p_alt[rows[other]] = p_alt[other]
    if not named.all():
        positions.p_shelf[rows[~named]] = np.nan
    # To the nanometre: last bits hang on how arrays lay in memory, and a run's places are to be the same every time.
    for name in ("x_m", "y_m", "z_m", "offset_m", "alt_offset_m", "sigma_local_m", "sigma_along_m"):
        column = getattr(positions, name)
        column[rows] = np.round(column[rows], 9)


def _believed(p: Floats, p_alt: Floats) -> tuple[Floats, Floats]:
    """Return the chances of the first and second shelf as they have proved: the odds say more than they know."""
    sure = np.clip(p, 1e-9, 1.0 - 1e-9)
    odds = (sure / (1.0 - sure)) ** SHELF_SHARE
    told = np.where(p > 0.0, odds / (1.0 + odds), 0.0)
    return told, p_alt * (1.0 - told) / np.maximum(1.0 - p, 1e-9)


def _shelf_ids(frames: Frames, face: Ints, shelf: Ints) -> npt.NDArray[np.object_]:
    def name(f: int, s: int) -> str | None:
        known = frames.faces[f] if f >= 0 else None
        return known.shelves[s].id if known is not None and s >= 0 else None

    return np.array([name(int(f), int(s)) for f, s in zip(face, shelf, strict=True)] or [], object)


def with_ranks(positions: Positions) -> Positions:
    """Add ranks: on the shelf, or on the face where it has no shelves."""
    place = np.full(len(positions), -1, np.int64)
    numbers: dict[tuple[str, str | None], int] = {}
    for row, at in enumerate(zip(positions.face_id.tolist(), positions.shelf_id.tolist(), strict=True)):
        if at[0] is not None:
            place[row] = numbers.setdefault(at, len(numbers))
    shelved = np.array([shelf is not None for shelf in positions.shelf_id.tolist()], bool)
    rank, p_order = rank_on_shelves(place, positions.offset_m, positions.sigma_local_m, shelved)
    return dataclasses.replace(positions, rank=rank, p_order=p_order)


@dataclass(frozen=True, slots=True)
class Told:
    """What coverage needs of a block: tags surely placed; columns of shape (tags,).

    ``readings`` are those by each antenna, shape (tags, antennas).
    """

    face: Ints
    offset_m: Floats
    height_m: Floats
    readings: Floats


def told_by(part: Part, antennas: Ints) -> Told:
    """Return what coverage needs of a block."""
    places, candidates = part.places, part.candidates
    if len(places.tag) == 0:
        return Told(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros((0, len(antennas))))
    owner = np.repeat(np.arange(len(candidates.tag)), np.diff(candidates.start))
    column = np.searchsorted(antennas, part.observations.antenna[candidates.observation])
    number = np.zeros((len(candidates.tag), len(antennas)))
    np.add.at(number, (owner, column), part.observations.heard[candidates.observation])
    good = places.p > 0.5
    return Told(
        places.face[good], places.offset_m[good], places.height_m[good], number[places.candidate[good]]
    )


def coverage_of(
    listening: Listening | None, frames: Frames, law: RunLaw | None, told: list[Told], jobs: int = 1
) -> Coverage:
    """Map what a tag anywhere would have given, by the read rate the run taught."""
    if listening is None or law is None or law.rate is None:
        return Coverage.empty()
    return make_coverage(
        listening, frames, law.rate, np.concatenate([part.face for part in told]),
        np.concatenate([part.offset_m for part in told]), np.concatenate([part.height_m for part in told]),
        np.concatenate([part.readings for part in told]), jobs,
    )  # fmt: skip
