"""A whole run by the single-tag path: sort, learn, place block by block, map what was covered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.ambiguity import Ambiguity, find_ambiguity
from localization.calibration import Calibration
from localization.cells import Rows, Track
from localization.coverage import make_coverage
from localization.delays import find_delays
from localization.faces import Frames
from localization.fast import Ground, Placed, place_block, teach
from localization.listening import Listening
from localization.observations import Mounts, driven_m, observe
from localization.output import Part, fill_positions
from localization.placing import RunLaw
from localization.positions import Coverage, Positions
from localization.registration import Registration, register, sample_of, with_known
from localization.shared_error import CENTRE_SIGMA_M, shared_sigma
from localization.signal_model import wavenumber
from localization.source import Source, heard_in, ranges_of, readings_of, thinned
from recording import Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Progress = Callable[[float, str], None]

#: Readings placed at once, in whole tags.
BLOCK_READINGS = 100_000
#: Readings that antennas' ambiguity and cables, the run's geometry and its laws are learnt from.
LEARN_READINGS, REGISTER_READINGS, TEACH_TAGS = 100_000, 100_000, 300
#: Tags of a face that register it, how far about where they were heard best they are looked for, and tags that tell
#: how much tags differ in being read.
REGISTER_TAGS, REGISTER_ABOUT_M, DISPERSION_TAGS = 16, 0.5, 2_000


@dataclass(frozen=True, slots=True)
class FastRun:
    """What the fast path found."""

    positions: Positions
    coverage: Coverage
    ambiguity: Ambiguity
    delays_m: Floats
    law: RunLaw | None
    registration: Registration | None
    frames: Frames


def run_fast(
    recording: Recording,
    source: Source,
    plan: Plan,
    calibration: Calibration,
    mounts: Mounts,
    jobs: int,
    tell: Progress,
) -> FastRun:
    """Place every tag of a recording by itself.

    Parameters
    ----------
    recording : Recording
        All but its readings.
    source : Source
        Its readings.
    """
    poses = recording.poses
    latency_ns = round(calibration.latency_s * 1e9)
    middle = source.middle()
    ambiguity = find_ambiguity(recording.info, middle, poses, rows=LEARN_READINGS)
    delays = find_delays(middle, poses, ambiguity.doubled, rows=LEARN_READINGS)
    positions = heard_in(source)
    way = driven_m(poses)
    frames = Frames.of_plan(plan)
    known: Floats | None = None
    if calibration.face_depth_m:
        known = np.array([calibration.face_depth_m.get(name or "", np.nan) for name in frames.ids])
        frames = frames.moved_back(known)
    tell(0.1, "registering faces and antennas")
    sample = source.taken(*sample_of(source.counts, REGISTER_READINGS))
    # Registration wants observations of single spots, as the whole estimator makes them.
    part = readings_of(source.tags, sample)
    observations = observe(
        part, np.arange(len(part)), poses, way, mounts, ambiguity.doubled, delays, latency_ns
    )
    found = register(observations, frames, most_tags=REGISTER_TAGS, about_m=REGISTER_ABOUT_M, jobs=jobs)
    centre_sigma = CENTRE_SIGMA_M
    if found is not None:
        mounts = found.mounts(mounts)
        centre_sigma = found.centre_sigma(CENTRE_SIGMA_M)
    if known is not None:
        found = with_known(found, known)
    if found is not None:
        frames = found.frames(Frames.of_plan(plan))
    ground = Ground(
        track=Track.of(poses, way, mounts, frames),
        frames=frames,
        mounts=mounts,
        doubled=ambiguity.doubled,
        delay_m=delays,
        latency_ns=latency_ns,
        reference_per_m=float(np.median(wavenumber(middle.frequency_khz))) if len(middle) else 0.0,
        antennas=np.array(sorted(mount.id for mount in recording.info.antennas), np.int64),
    )
    tell(0.2, "learning how tags are heard")
    listening = Listening.of(recording, frames, mounts, latency_ns, jobs, source.hearing)
    taught, rate = teach(ground, listening, _some_tags(sample, TEACH_TAGS), jobs)
    row_of = np.cumsum(source.tally()[0] > 0) - 1
    stated = np.array([calibration.shared_m(name, recording.info.run_id) for name in frames.ids], np.float64)

    def place(block: tuple[int, int]) -> tuple[Ints, Floats, Floats, Floats]:
        placed = place_block(ground, source.rows(*block), taught)
        if placed is None:
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0)
        return _fill(positions, placed, ground, recording, calibration, centre_sigma, row_of, stated)

    ranges = ranges_of(source.counts, BLOCK_READINGS)
    made: list[tuple[Ints, Floats, Floats, Floats]] = []
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for number, done in enumerate(pool.map(place, ranges)):
            made.append(done)
            tell(0.25 + 0.6 * (number + 1) / len(ranges), "placing tags")
    coverage = Coverage.empty()
    if rate is not None and made:
        tell(0.9, "mapping what was covered")
        face = np.concatenate([part[0] for part in made])
        offset = np.concatenate([part[1] for part in made])
        height = np.concatenate([part[2] for part in made])
        number = np.concatenate([part[3] for part in made])
        some = slice(None, None, max(1, len(face) // DISPERSION_TAGS))
        coverage = make_coverage(
            listening,
            frames,
            rate,
            face[some],
            offset[some],
            height[some],
            number[some],
            jobs,
        )
    law = None if taught is None else dataclasses.replace(taught.law, rate=rate)
    return FastRun(positions, coverage, ambiguity, delays, law, found, frames)


def _some_tags(rows: Rows, most: int) -> Rows:
    """Return the rows of so many tags, evenly spread."""
    if len(rows.tag) <= most:
        return rows
    chosen = np.unique(np.linspace(0, len(rows.tag) - 1, most).astype(np.int64))
    return thinned(rows, chosen, np.ones(len(chosen), np.int64))


def _fill(
    positions: Positions, placed: Placed, ground: Ground, recording: Recording, calibration: Calibration,
    centre_sigma: float, row_of: Ints, stated: Floats,
) -> tuple[Ints, Floats, Floats, Floats]:  # fmt: skip
    """Write a block's places; return face, offset, height and readings of those that are sure of their shelf."""
    observations, candidates, places = placed.observations, placed.candidates, placed.places
    common, local = shared_sigma(
        observations, candidates, places, recording.poses, stated[places.face], centre_sigma
    )
    places = dataclasses.replace(places, sigma_m=np.hypot(places.sigma_m, local))
    part = Part(ground.frames, observations, candidates, places, common, placed.law, [])
    fill_positions(positions, part, row_of, calibration)
    number = np.add.reduceat(observations.heard, candidates.start[:-1])
    good = places.p > 0.5
    return (
        places.face[good],
        places.offset_m[good],
        places.height_m[good],
        number[places.candidate[good]],
    )
