"""The estimator: a recording in, positions and coverage out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.ambiguity import Ambiguity, find_ambiguity
from localization.calibration import Calibration
from localization.coverage import make_coverage
from localization.delays import find_delays
from localization.dense import refine_dense
from localization.differences import place_by_differences
from localization.faces import Candidates, Frames, find_candidates, frames_beside_track
from localization.hf_output import locate_hf, without_hf
from localization.listening import Listening
from localization.observations import Mounts, Observations, driven_m, observe, tag_blocks
from localization.order import rank_on_shelves
from localization.passes import join_passes
from localization.placing import Places, RunLaw, Scores, distances, place, place_by_rssi, score
from localization.positions import Coverage, Positions
from localization.profile import Fits, Hypotheses, Image, fit, image, make_hypotheses, weigh
from localization.registration import Registration, register
from localization.signal_model import BEAMWIDTH_DEG, CORRELATION_M
from recording import Poses, Readings, Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Progress = Callable[[float, str], None]

#: Parts an estimator can do without.
PARTS = ("registration", "footprint", "passes", "differences", "scatterers")
#: Readings handled at once (in whole tags): bounds memory whatever the night's length.
BLOCK_READINGS = 100_000
#: Readings that a run's registration is learnt from; where these are not all, so many of a tag are enough.
REGISTER_READINGS, SAMPLE_PER_TAG = 400_000, 200
#: A face farther off than this is worth a note.
WORTH_SAYING_M = 0.05
#: How often the first block is fitted anew with the read rate it taught.
RELEARN = 2
#: What every offset of a run shares without a calibration: the antenna's phase centre and mount,
CENTRE_SIGMA_M = 0.015
#: the reader's clock against the base's,
CLOCK_SIGMA_S = 0.15
#: and, where poses state no error, map against survey: a hundredth of the way from the run's start, at most this.
POSE_SIGMA_SHARE, POSE_SIGMA_MOST_M = 0.01, 0.05
#: of which this share differs from one stretch of the way to the next, and so between neighbours.
POSE_LOCAL_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Localization:
    """What ``localize`` found.

    Attributes
    ----------
    positions : Positions
        One row a tag heard, in the order of ``readings.tags``.
    coverage : Coverage
        Empty without a plan.
    notes : tuple of str
        What was found and assumed, one sentence each.
    """

    positions: Positions
    coverage: Coverage
    notes: tuple[str, ...]


def localize(
    recording: Recording,
    plan: Plan | None = None,
    *,
    calibration: Calibration | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Localization:
    """Estimate where every tag of a recording stands.

    Parameters
    ----------
    recording : Recording
    plan : Plan, optional
        Without one, tags get map coordinates from the robot's track alone.
    calibration : Calibration, optional
        Nothing saved is used unless given here.
    jobs : int
        Threads.
    progress : callable(share, text), optional

    Returns
    -------
    Localization
    """
    return Localizer(plan, calibration=calibration, jobs=jobs).fit(recording, progress=progress).localization_


class Localizer:
    """Estimator of positions; ``fit`` a recording, read the attributes with a trailing underscore.

    Parameters
    ----------
    plan : Plan, optional
    calibration : Calibration, optional
    jobs : int
        Threads over blocks of tags.
    without : collection of str
        Of ``PARTS``, those to leave out: what each of them buys is seen by its absence (``python -m benchmarks
        ablation``).

    Attributes
    ----------
    localization_ : Localization
    ambiguity_ : Ambiguity
    delays_m_ : float64 array, shape (256,)
        Electrical length of each antenna's cable.
    law_ : RunLaw or None
        What the run taught of RSSI.
    registration_ : Registration or None
        How the run's faces and antennas were found to lie.
    """

    localization_: Localization
    ambiguity_: Ambiguity
    delays_m_: Floats
    law_: RunLaw | None
    registration_: Registration | None

    def __init__(
        self,
        plan: Plan | None = None,
        *,
        calibration: Calibration | None = None,
        jobs: int = 1,
        without: Collection[str] = (),
    ) -> None:
        if unknown := sorted(set(without) - set(PARTS)):
            raise ValueError(f"no part {unknown[0]!r} to leave out; there are {', '.join(PARTS)}")
        self.without = frozenset(without)
        self.plan = plan
        self.calibration = calibration or Calibration()
        self.jobs = jobs

    def fit(self, recording: Recording, *, progress: Progress | None = None) -> Localizer:
        """Estimate every tag's place."""
        tell: Progress = progress or (lambda _share, _text: None)
        tell(0.0, "looking at the readings")
        notes: list[str] = []
        mounts = Mounts.of(recording.info, self.calibration, BEAMWIDTH_DEG)
        positions, whole = _heard(recording), recording
        recording = without_hf(whole)
        self.law_ = None
        self.registration_ = None
        self.ambiguity_ = find_ambiguity(recording.info, recording.readings, recording.poses)
        if len(recording.poses.t) == 0:
            notes.append("no poses: no tag could be placed")
            self.localization_ = Localization(positions, Coverage.empty(), tuple(notes))
            return self
        self.delays_m_ = find_delays(recording.readings, recording.poses, self.ambiguity_.doubled)
        notes += _ambiguity_notes(recording, self.ambiguity_)
        notes += _mismatch_notes(recording, self.plan, self.calibration)
        usable = _usable(recording, mounts, self.calibration, notes)
        way = driven_m(recording.poses)
        latency_ns = round(self.calibration.latency_s * 1e9)
        readings = recording.readings if usable is None else recording.readings.select(usable)
        blocks = list(tag_blocks(readings, BLOCK_READINGS))
        work = _Work(self, recording, readings, mounts, way, latency_ns)
        tell(0.02, "registering faces and antennas")
        self.registration_ = work.register()
        notes += _registration_notes(self.registration_, work)
        parts: list[_Part] = []
        # The first block with anything to place teaches the run's laws to all others.
        while len(parts) < len(blocks) and self.law_ is None:
            parts.append(work.block(blocks[len(parts)][1]))
            self.law_ = parts[-1].law
            tell(0.9 * len(parts) / len(blocks), "placing tags")
        rest = [rows for _, rows in blocks[len(parts) :]]
        with ThreadPoolExecutor(max(1, self.jobs)) as pool:
            for number, part in enumerate(pool.map(work.block, rest), len(parts)):
                parts.append(part)
                tell(0.9 * (number + 1) / len(blocks), "placing tags")
        row_of = np.cumsum(np.bincount(whole.readings.tag, minlength=len(whole.readings.tags)) > 0) - 1
        for part in parts:
            _fill(positions, part, row_of, self.calibration)
            notes += part.notes
        coverage = Coverage.empty()
        if self.plan is not None and parts:
            tell(0.9, "mapping what was covered")
            coverage = _coverage(work.listening, work.frames(None), self.law_, parts)
        if whole is not recording:
            tell(0.95, "placing HF tags")
            covered, said = locate_hf(whole, self.plan, mounts, self.calibration, positions)
            coverage, notes = coverage if len(coverage.face_id) else covered, [*notes, *said]
        positions = _rank(positions)
        self.localization_ = Localization(positions, coverage, tuple(notes))
        tell(1.0, "done")
        return self


@dataclass(frozen=True, slots=True)
class _Part:
    """What one block of tags came to."""

    frames: Frames
    observations: Observations
    candidates: Candidates
    places: Places
    common_m: Floats
    law: RunLaw | None
    notes: list[str]


class _Work:
    """The steps of one block, with what all blocks share."""

    def __init__(
        self,
        localizer: Localizer,
        recording: Recording,
        readings: Readings,
        mounts: Mounts,
        way: Floats,
        latency_ns: int,
    ) -> None:
        self.localizer = localizer
        self.recording = recording
        self.readings = readings
        self.mounts = mounts
        self.way = way
        self.latency_ns = latency_ns
        plan = localizer.plan
        self._frames = Frames.of_plan(plan) if plan is not None and len(plan.faces) else None
        self._known_depth_m: Floats | None = None
        if self._frames is not None and localizer.calibration.face_depth_m:
            known = localizer.calibration.face_depth_m
            self._known_depth_m = np.array([known.get(name or "", np.nan) for name in self._frames.ids])
            self._frames = self._frames.moved_back(self._known_depth_m)
        self.listening: Listening | None = None
        self.centre_sigma_m = CENTRE_SIGMA_M

    def frames(self, observations: Observations | None) -> Frames:
        if self._frames is None:
            assert observations is not None
            return frames_beside_track(observations)
        return self._frames

    def register(self) -> Registration | None:
        """Learn from some of the tags how the run lies to the plan, and take faces and antennas so from here on."""
        if self._frames is None or self.localizer.plan is None:
            return None
        observations = self.observe(_sample(self.readings, REGISTER_READINGS))
        candidates = find_candidates(observations, self._frames, CORRELATION_M)
        found = None
        if "registration" not in self.localizer.without:
            found = register(observations, candidates, self._frames, weigh(observations, candidates))
        if found is not None:
            self.mounts = found.mounts(self.mounts)
            self.centre_sigma_m = found.centre_sigma(CENTRE_SIGMA_M)
        if self._known_depth_m is not None:
            found = _with_known(found, self._known_depth_m)
        if found is not None:
            self._frames = found.frames(Frames.of_plan(self.localizer.plan))
        self.listening = Listening.of(self.recording, self._frames, self.mounts, self.latency_ns)
        return found

    def observe(self, rows: Ints) -> Observations:
        """Turn readings, sorted by tag, into observations."""
        return observe(
            self.readings,
            rows,
            self.recording.poses,
            self.way,
            self.mounts,
            self.localizer.ambiguity_.doubled,
            self.localizer.delays_m_,
            self.latency_ns,
        )

    def _stated(self, frames: Frames, places: Places) -> Floats:
        """Return the error that the calibration says each place shares with its neighbours; NaN: it says nothing."""
        calibration, run_id = self.localizer.calibration, self.recording.info.run_id
        shared = np.array([calibration.shared_m(name, run_id) for name in frames.ids], np.float64)
        return shared[places.face]

    def block(self, rows: Ints) -> _Part:
        localizer, poses = self.localizer, self.recording.poses
        observations = self.observe(rows)
        frames = self.frames(observations)
        candidates = find_candidates(observations, frames, CORRELATION_M)
        if len(candidates.tag) == 0:
            # Nothing here was heard before any face: a dock, a trolley in the corridor.
            none = np.zeros(0)
            return _Part(frames, observations, candidates, Places.empty(), none, localizer.law_, [])
        hypotheses = make_hypotheses(candidates, frames)
        weight = weigh(observations, candidates)
        law = localizer.law_
        # The first block teaches the run's laws, and is then fitted anew with them.
        seen = image(observations, candidates, hypotheses, frames, weight)
        fits, scores, law = self._fit(observations, candidates, hypotheses, seen, frames, weight, law, None)
        if localizer.law_ is None and self.listening is not None:
            for _ in range(RELEARN):
                fits, scores, law = self._fit(
                    observations, candidates, hypotheses, seen, frames, weight, law, fits
                )
        places = place(observations, candidates, hypotheses, fits, scores, frames)
        if "passes" not in localizer.without:
            joint, joined, any_joined = join_passes(
                observations,
                candidates,
                places.candidate,
                places.offset_m,
                distances(candidates, places),
                weight,
            )
            if any_joined:
                seen = image(joint, joined, hypotheses, frames, weigh(joint, joined))
                fits, scores, law = self._fit(
                    joint, joined, hypotheses, seen, frames, weigh(joint, joined), law, None
                )
                places = place(joint, joined, hypotheses, fits, scores, frames)
        places = place_by_rssi(observations, candidates, places, frames)
        if "differences" not in localizer.without:
            places = place_by_differences(observations, candidates, places, weight)
        notes: list[str] = []
        if "scatterers" not in localizer.without:
            places, notes = refine_dense(observations, candidates, hypotheses, places, frames)
        common, local = _shared_sigma(
            observations, candidates, places, poses, self._stated(frames, places), self.centre_sigma_m
        )
        places = dataclasses.replace(places, sigma_m=np.hypot(places.sigma_m, local))
        return _Part(
            frames=frames,
            observations=observations,
            candidates=candidates,
            places=places,
            common_m=common,
            law=law,
            notes=notes,
        )

    def _fit(
        self,
        observations: Observations,
        candidates: Candidates,
        hypotheses: Hypotheses,
        seen: Image,
        frames: Frames,
        weight: Floats,
        law: RunLaw | None,
        before: Fits | None,
    ) -> tuple[Fits, Scores, RunLaw]:
        fits = fit(
            observations, candidates, hypotheses, seen, frames, weight, self.mounts, self.listening,
            law.rate if law is not None and "footprint" not in self.localizer.without else None, before,
        )  # fmt: skip
        scores, learnt = score(
            observations, candidates, hypotheses, fits, self.mounts, weight, self.localizer.law_, frames,
            self.listening,
        )  # fmt: skip
        return fits, scores, learnt


def _sample(readings: Readings, most: int) -> Ints:
    """Choose whole tags at random, of so many readings together at most; rows sorted by tag and time.

    Where all do not fit, no tag gives more than its share (200 at least), evenly over its time: a tag beside the
    dock must not take the place of a hundred.
    """
    order = np.argsort(readings.tag, kind="stable")
    tag = readings.tag[order].astype(np.int64)
    counts = np.bincount(tag, minlength=len(readings.tags))
    if len(order) <= most:
        return order
    each = max(SAMPLE_PER_TAG, most // max(len(counts), 1))
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    every = -(-counts // each)
    order, tag = order[place % every[tag] == 0], tag[place % every[tag] == 0]
    counts = np.bincount(tag, minlength=len(readings.tags))
    by_chance = np.random.default_rng(0).permutation(len(counts))
    chosen = np.zeros(len(counts), np.bool_)
    chosen[by_chance[np.cumsum(counts[by_chance]) <= most]] = True
    return order[chosen[tag]]


def _with_known(found: Registration | None, known_m: Floats) -> Registration:
    """Return what the run taught with the depths that the calibration gave it to begin with."""
    if found is None:
        return Registration(np.zeros(256), np.zeros(256), known_m, 0, np.zeros(0, np.int64))
    both = np.isfinite(found.depth_m) | np.isfinite(known_m)
    total = np.where(both, np.nan_to_num(found.depth_m) + np.nan_to_num(known_m), np.nan)
    return dataclasses.replace(found, depth_m=total)


def _registration_notes(found: Registration | None, work: _Work) -> list[str]:
    if found is None:
        return []
    notes: list[str] = []
    ids = work.frames(None).ids
    for face in np.flatnonzero(np.abs(np.nan_to_num(found.depth_m)) >= WORTH_SAYING_M):
        shift = found.depth_m[face]
        notes.append(
            f"face {ids[face]}: its tags stand {abs(shift):.2f} m {'farther from' if shift > 0 else 'nearer to'} the "
            "robot's way than plan and poses say; taken so"
        )
    return notes


def _heard(recording: Recording) -> Positions:
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


def _ambiguity_notes(recording: Recording, found: Ambiguity) -> list[str]:
    notes: list[str] = []
    for mount in recording.info.antennas:
        share = found.share[mount.id]
        said = (
            "too few readings to tell"
            if np.isnan(share)
            else f"{share:.1%} of neighbouring readings half a turn apart"
        )
        taken = "known up to pi" if found.doubled[mount.id] else "known fully"
        notes.append(f"antenna {mount.id}: phase taken as {taken} (stated {mount.phase_ambiguity}; {said})")
    return notes


def _mismatch_notes(recording: Recording, plan: Plan | None, calibration: Calibration) -> list[str]:
    """Say where plan or calibration seem to be another library's or another robot's."""
    notes: list[str] = []
    if plan is not None and plan.site and recording.info.site and plan.site != recording.info.site:
        notes.append(
            f"the plan is of site {plan.site!r}, the recording of {recording.info.site!r}: the right plan?"
        )
    faces = set() if plan is None else {face.id for face in plan.faces}
    strange = sorted(set(calibration.face_shift_m) - faces)
    if strange:
        notes.append(
            f"the calibration shifts face {strange[0]!r}, which the plan does not have: the right calibration?"
        )
    known = {mount.id for mount in recording.info.antennas}
    absent = sorted(set(calibration.phase_centre_m) - known)
    if absent:
        notes.append(
            f"the calibration moves antenna {absent[0]}, which the robot does not have: the right calibration?"
        )
    return notes


def _usable(recording: Recording, mounts: Mounts, calibration: Calibration, notes: list[str]) -> Ints | None:
    """Return the readings to place from (None: all): those with a pose, an antenna mount and UHF or HF alike."""
    readings = recording.readings
    posed = recording.poses.covers(readings.t - round(calibration.latency_s * 1e9))
    mounted = np.isfinite(mounts.position_m[readings.antenna, 0])
    if not posed.all():
        notes.append(f"{int((~posed).sum())} readings outside the poses' time were not placed")
    if not mounted.all():
        notes.append(f"{int((~mounted).sum())} readings of antennas without a mount were not placed")
    keep = posed & mounted
    silent = [m.id for m in recording.info.antennas if not (readings.antenna == m.id).any()]
    if silent:
        notes.append("never heard: antenna " + ", ".join(map(str, silent)))
    return None if keep.all() else np.flatnonzero(keep)


def _shared_sigma(
    observations: Observations, candidates: Candidates, places: Places, poses: Poses, stated_m: Floats,
    centre_sigma_m: float,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return what poses, clock and antenna add: what neighbours share, and what they do not; two of shape (p,)."""
    n = len(places.tag)
    if n == 0:
        return np.zeros(0), np.zeros(0)
    index = candidates.observation
    begin = candidates.start[:-1]
    first = np.minimum.reduceat(observations.t[index], begin)[places.candidate]
    last = np.maximum.reduceat(observations.t[index], begin)[places.candidate]
    low = np.minimum.reduceat(observations.way_m[index], begin)[places.candidate]
    high = np.maximum.reduceat(observations.way_m[index], begin)[places.candidate]
    speed = (high - low) / np.maximum((last - first) * 1e-9, 0.1)
    stated = np.add.reduceat(observations.sigma_pose_m[index], begin)[places.candidate]
    stated = stated / np.diff(candidates.start)[places.candidate]
    where = observations.position_m[index[begin]][places.candidate]
    gone = np.hypot(where[:, 0] - poses.x_m[0], where[:, 1] - poses.y_m[0])
    unstated = np.where(np.isfinite(stated), 0.0, np.minimum(POSE_SIGMA_SHARE * gone, POSE_SIGMA_MOST_M))
    local = POSE_LOCAL_SHARE * unstated
    pose = np.where(np.isfinite(stated), stated, 0.0)
    clock = CLOCK_SIGMA_S * np.minimum(speed, 1.0)
    assumed = np.sqrt(centre_sigma_m**2 + clock**2 + unstated**2)
    return np.hypot(np.where(np.isfinite(stated_m), stated_m, assumed), pose), local


def _fill(positions: Positions, part: _Part, row_of: Ints, calibration: Calibration) -> None:
    """Write a block's places into the rows of its tags."""
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
    positions.p_shelf[rows] = places.p
    named = np.array([frames.ids[f] is not None for f in places.face])
    faces = np.array([frames.ids[f] for f in places.face], object)
    positions.face_id[rows[named]] = faces[named]
    positions.offset_m[rows[named]] = offset[named]
    positions.shelf_id[rows] = _shelf_ids(frames, places.face, places.shelf)
    positions.alt_shelf_id[rows] = _shelf_ids(frames, places.alt_face, places.alt_shelf)
    other = (places.alt_face >= 0) & named
    positions.alt_offset_m[rows[other]] = (places.alt_offset_m + of_face[places.alt_face])[other]
    positions.p_alt[rows[other]] = places.p_alt[other]
    if not named.all():
        positions.p_shelf[rows[~named]] = np.nan


def _shelf_ids(frames: Frames, face: Ints, shelf: Ints) -> npt.NDArray[np.object_]:
    def name(f: int, s: int) -> str | None:
        known = frames.faces[f] if f >= 0 else None
        return known.shelves[s].id if known is not None and s >= 0 else None

    return np.array([name(int(f), int(s)) for f, s in zip(face, shelf, strict=True)] or [], object)


def _rank(positions: Positions) -> Positions:
    """Add ranks: on the shelf, or on the face where it has no shelves."""
    place = np.full(len(positions), -1, np.int64)
    known = np.array([face is not None for face in positions.face_id], bool)
    if known.any():
        names = np.array(
            [
                f"{face}\n{shelf or ''}"
                for face, shelf in zip(positions.face_id[known], positions.shelf_id[known], strict=True)
            ]
        )
        place[known] = np.unique(names, return_inverse=True)[1]
    rank, p_order = rank_on_shelves(place, positions.offset_m, positions.sigma_local_m)
    return dataclasses.replace(positions, rank=rank, p_order=p_order)


def _coverage(
    listening: Listening | None, frames: Frames, law: RunLaw | None, parts: list[_Part]
) -> Coverage:
    """Map what a tag anywhere would have given, by the read rate the run taught."""
    if listening is None or law is None or law.rate is None:
        return Coverage.empty()
    face, offset, height, count = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    for part in parts:
        places, candidates = part.places, part.candidates
        if len(places.tag) == 0:
            continue
        number = np.add.reduceat(part.observations.heard[candidates.observation], candidates.start[:-1])
        good = places.p > 0.5
        face.append(places.face[good])
        offset.append(places.offset_m[good])
        height.append(places.height_m[good])
        count.append(number[places.candidate[good]])
    return make_coverage(
        listening, frames, law.rate, np.concatenate(face), np.concatenate(offset), np.concatenate(height),
        np.concatenate(count),
    )  # fmt: skip
