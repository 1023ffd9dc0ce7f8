"""A whole run by the single-tag path: sort, learn, place block by block, map what was covered."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.ambiguity import Ambiguity, find_ambiguity
from localization.bars import interval_sigma
from localization.calibration import Calibration
from localization.cells import Rows, Track
from localization.coverage import make_coverage
from localization.delays import find_delays
from localization.faces import Frames
from localization.fast import Ground, Placed, Taught, counted_by_antenna, place_block, teach
from localization.fast_joint import Found, Joint, pin_run, run_joint
from localization.listening import Listening, ReadRate
from localization.observations import Mounts, driven_m, observe
from localization.output import Part, fill_positions
from localization.placing import RunLaw, astray_m
from localization.positions import Coverage, Positions
from localization.registration import Registration, register, sample_of, with_known
from localization.shared_error import CENTRE_SIGMA_M, shared_sigma
from localization.signal_model import wavenumber
from localization.source import Source, heard_in, ranges_of, readings_of, thinned
from localization.stated import pinned_faces, stated_m
from localization.steps import Progress
from localization.upright_posterior import Pinned
from recording import Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Readings placed at once, in whole tags.
BLOCK_READINGS = 200_000
#: Readings that antennas' ambiguity and cables, the run's geometry and its laws are learnt from.
LEARN_READINGS, REGISTER_READINGS, TEACH_TAGS = 100_000, 100_000, 300
#: Tags of a face that register it, how far about where they were heard best they are looked for, and tags that tell
#: how much tags differ in being read.
REGISTER_TAGS, REGISTER_ABOUT_M, DISPERSION_TAGS = 16, 0.5, 2_000
#: Of what poses state this share stays where uprights told: antennas, which are not settled here, put levels apart.
PINNED_POSE = 0.5
#: A tag is sure of its shelf from this posterior on.
SURE_P = 0.5


@dataclass(frozen=True, slots=True)
class Sure:
    """Tags that are sure of their shelf: what the coverage map is made of; columns of shape (tags,).

    ``readings`` are those by each antenna, shape (tags, antennas).
    """

    face: Ints
    offset_m: Floats
    height_m: Floats
    readings: Floats

    @classmethod
    def of(cls, placed: Placed | None, antennas: Ints) -> Sure:
        """Take them from a block."""
        if placed is None:
            return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros((0, len(antennas))))
        places, good = placed.places, placed.places.p > SURE_P
        number = counted_by_antenna(placed.observations, placed.candidates, antennas)
        return cls(
            places.face[good], places.offset_m[good], places.height_m[good], number[places.candidate[good]]
        )


@dataclass(frozen=True, slots=True)
class FastRun:
    """What the fast path found.

    ``delays_m`` are the cables' lengths by mount's number, m, shape (256,).
    """

    positions: Positions
    coverage: Coverage
    ambiguity: Ambiguity
    delays_m: Floats
    law: RunLaw | None
    registration: Registration | None
    frames: Frames
    joint: Joint | None = None


def run_fast(
    recording: Recording,
    source: Source,
    plan: Plan,
    calibration: Calibration,
    mounts: Mounts,
    jobs: int,
    tell: Progress,
    joint: bool = False,
) -> FastRun:
    """Place every tag of a recording by itself; ``joint``: and then every shelf's tags together.

    Parameters
    ----------
    recording : Recording
        All but its readings.
    source : Source
        Its readings.
    """
    poses = recording.poses
    latency_ns = round(calibration.latency_s * 1e9)
    tell(0.05, "learning how antennas tell phases")
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
    row_of = np.cumsum(source.tally()[0] > 0) - 1
    ranges = ranges_of(source.counts, BLOCK_READINGS)

    def learn(ground: Ground) -> tuple[Listening, Taught | None, ReadRate | None]:
        tell(0.2, "mapping where the antennas listened")
        heard = Listening.of(recording, ground.frames, ground.mounts, latency_ns, jobs, source.hearing)
        tell(0.22, "learning how tags are heard")
        return heard, *teach(ground, heard, _some_tags(sample, TEACH_TAGS), jobs)

    def fill(placed: Placed, ground: Ground, pinned: Pinned | None) -> Floats:
        return _fill(positions, placed, ground, recording, calibration, centre_sigma, row_of, pinned)

    def each_by_itself(
        ground: Ground, taught: Taught | None, pinned: Pinned | None
    ) -> tuple[list[Sure], Found]:
        made: list[Sure] = []
        finds: list[Found] = []

        def place(block: tuple[int, int]) -> tuple[Sure, Found]:
            placed = place_block(ground, source.rows(*block), taught)
            if placed is None:
                return Sure.of(None, ground.antennas), Found.concat([])
            common, places = fill(placed, ground, pinned), placed.places
            return Sure.of(placed, ground.antennas), Found(
                placed.observations.tag[places.tag], places.face, places.shelf, common
            )

        with ThreadPoolExecutor(max(1, jobs)) as pool:
            for number, (sure, found) in enumerate(pool.map(place, ranges)):
                made.append(sure)
                finds.append(found)
                tell(0.25 + (0.1 if joint else 0.6) * (number + 1) / len(ranges), "placing tags")
        return made, Found.concat(finds)

    listening, taught, rate = learn(ground)
    made, singles = each_by_itself(ground, taught, None)
    done, pinned = None, None
    if joint:
        tell(0.35, "asking the uprights")
        pinned, ground = pin_run(
            ground, source, poses, way, singles, taught, calibration, recording.info.run_id, jobs
        )
        frames = ground.frames
        if pinned is not None and pinned.far:
            # Laws and bays were learnt at places far off.
            listening, taught, rate = learn(ground)
            made, singles = each_by_itself(ground, taught, pinned)
        done = Joint(
            *run_joint(
                ground, source, singles, taught, jobs, lambda placed: fill(placed, ground, pinned),
                lambda share: tell(0.35 + 0.5 * share, "fitting shelves"),
            ),
            pinned,
        )  # fmt: skip
    coverage = Coverage.empty()
    if rate is not None and made:
        tell(0.9, "mapping what was covered")
        face, offset, height, number = (
            np.concatenate([getattr(part, name) for part in made])
            for name in ("face", "offset_m", "height_m", "readings")
        )
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
    return FastRun(positions, coverage, ambiguity, delays, law, found, frames, done)


def _some_tags(rows: Rows, most: int) -> Rows:
    """Return the rows of so many tags, evenly spread."""
    if len(rows.tag) <= most:
        return rows
    chosen = np.unique(np.linspace(0, len(rows.tag) - 1, most).astype(np.int64))
    return thinned(rows, chosen, np.ones(len(chosen), np.int64))


def _fill(
    positions: Positions, placed: Placed, ground: Ground, recording: Recording, calibration: Calibration,
    centre_sigma: float, row_of: Ints, pinned: Pinned | None,
) -> Floats:  # fmt: skip
    """Write a block's places; return what each shares with its neighbours, shape (p,)."""
    observations, candidates, places = placed.observations, placed.candidates, placed.places
    wide = interval_sigma(places.sigma_m, placed.astray, astray_m(candidates, places))
    places = dataclasses.replace(places, sigma_m=wide)
    ids = ground.frames.ids
    told = stated_m(calibration, ids, recording.info.run_id, pinned)[places.face]
    common, local = shared_sigma(
        observations, candidates, places, recording.poses, told, centre_sigma,
        pinned_faces(pinned, len(ids))[places.face], PINNED_POSE,
    )  # fmt: skip
    places = dataclasses.replace(places, sigma_m=np.hypot(places.sigma_m, local))
    part = Part(ground.frames, observations, candidates, places, common, placed.law, [])
    fill_positions(positions, part, row_of, calibration)
    return common
