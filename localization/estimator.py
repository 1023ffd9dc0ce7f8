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
from localization.delays import find_delays
from localization.dense import refine_dense
from localization.differences import place_by_differences
from localization.faces import Candidates, Frames, find_candidates, frames_beside_track
from localization.fast_run import run_fast
from localization.hf_output import locate_hf, without_hf
from localization.labels import LabelFits, use_labels
from localization.listening import Listening
from localization.notes import ambiguity_notes, mismatch_notes, registration_notes
from localization.observations import Mounts, Observations, driven_m, observe, tag_blocks
from localization.oddities import find_oddities
from localization.oddity_traits import foreign_tags, traits_of
from localization.output import Part, coverage_of, fill_positions, heard_positions, joined, with_ranks
from localization.passes import join_passes
from localization.placing import Places, RunLaw, Scores, distances, place, place_by_rssi, score
from localization.positions import Coverage, Positions
from localization.profile import Fits, Hypotheses, Image, fit, image, make_hypotheses, weigh
from localization.registration import Registration, register, sample, with_known
from localization.shared_error import CENTRE_SIGMA_M, shared_sigma
from localization.signal_model import BEAMWIDTH_DEG, CORRELATION_M
from localization.thermal import refine_thermal
from recording import Readings, Recording
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Progress = Callable[[float, str], None]

#: Parts an estimator can do without.
PARTS = ("registration", "footprint", "passes", "differences", "thermal", "scatterers")
#: Readings handled at once (in whole tags): bounds memory whatever the night's length.
BLOCK_READINGS = 100_000
#: How often the first block is fitted anew with the read rate it taught.
RELEARN = 2


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
    fast : bool
        Place each tag by itself, coarsely first (``fast_run``): many times as fast, for what ``docs/speed.md`` tells.
        Needs a plan; without one the whole estimator is used.
    labels : bool
        Whether places are moved by what shelf labels tell whose places the plan states.

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
    label_fits_ : LabelFits or None
        Shelf labels fitted where the plan has them.
    """

    localization_: Localization
    ambiguity_: Ambiguity
    delays_m_: Floats
    law_: RunLaw | None
    registration_: Registration | None
    label_fits_: LabelFits | None

    def __init__(
        self,
        plan: Plan | None = None,
        *,
        calibration: Calibration | None = None,
        jobs: int = 1,
        without: Collection[str] = (),
        fast: bool = False,
        labels: bool = True,
    ) -> None:
        if unknown := sorted(set(without) - set(PARTS)):
            raise ValueError(f"no part {unknown[0]!r} to leave out; there are {', '.join(PARTS)}")
        self.without = frozenset(without)
        self.plan = plan
        self.calibration = calibration or Calibration()
        self.jobs = jobs
        self.fast = fast
        self.labels = labels

    def fit(self, recording: Recording, *, progress: Progress | None = None) -> Localizer:
        """Estimate every tag's place."""
        tell: Progress = progress or (lambda _share, _text: None)
        tell(0.0, "looking at the readings")
        notes: list[str] = []
        mounts = Mounts.of(recording.info, self.calibration, BEAMWIDTH_DEG)
        whole, recording = recording, without_hf(recording)
        self.law_ = None
        self.registration_ = None
        self.label_fits_ = None
        if self.fast and self.plan is not None and self.plan.faces and len(recording.poses.t):
            return self._fit_fast(self.plan, recording, whole, mounts, tell)
        positions = heard_positions(whole)
        self.ambiguity_ = find_ambiguity(recording.info, recording.readings, recording.poses)
        if len(recording.poses.t) == 0:
            notes.append("no poses: no tag could be placed")
            self.localization_ = Localization(positions, Coverage.empty(), tuple(notes))
            return self
        self.delays_m_ = find_delays(recording.readings, recording.poses, self.ambiguity_.doubled)
        notes += ambiguity_notes(recording, self.ambiguity_)
        notes += mismatch_notes(recording, self.plan, self.calibration)
        usable = _usable(recording, mounts, self.calibration, notes)
        way = driven_m(recording.poses)
        latency_ns = round(self.calibration.latency_s * 1e9)
        readings = recording.readings if usable is None else recording.readings.select(usable)
        blocks = list(tag_blocks(readings, BLOCK_READINGS))
        work = _Work(self, recording, readings, mounts, way, latency_ns)
        tell(0.02, "registering faces and antennas")
        self.registration_ = work.register()
        notes += registration_notes(self.registration_, work.ids)
        parts: list[Part] = []
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
            fill_positions(positions, part, row_of, self.calibration)
            notes += part.notes
        if self.plan is not None and parts:
            self.label_fits_, said = use_labels(
                positions,
                work.observe,
                readings,
                work.frames(None),
                self.plan,
                self.calibration,
                shift=self.labels,
            )
            notes += said
        coverage = Coverage.empty()
        if self.plan is not None and parts:
            tell(0.9, "mapping what was covered")
            coverage = coverage_of(work.listening, work.frames(None), self.law_, parts)
        if whole is not recording:
            tell(0.95, "placing HF tags")
            covered, said = locate_hf(whole, self.plan, mounts, self.calibration, positions)
            coverage, notes = coverage if len(coverage.face_id) else covered, [*notes, *said]
        positions, said = find_oddities(positions, [part.traits for part in parts], row_of)
        notes += said
        positions = with_ranks(positions)
        self.localization_ = Localization(positions, coverage, tuple(notes))
        tell(1.0, "done")
        return self

    def _fit_fast(
        self, plan: Plan, recording: Recording, whole: Recording, mounts: Mounts, tell: Progress
    ) -> Localizer:
        """Estimate every tag's place by the single-tag path."""
        notes: list[str] = []
        usable = _usable(recording, mounts, self.calibration, notes)
        found = run_fast(recording, usable, plan, self.calibration, mounts, self.jobs, tell)
        self.ambiguity_, self.delays_m_ = found.ambiguity, found.delays_m
        self.law_, self.registration_ = found.law, found.registration
        notes = [
            "each tag placed by itself (fast): no neighbours, no common scatterers",
            *ambiguity_notes(recording, found.ambiguity),
            *mismatch_notes(recording, plan, self.calibration),
            *notes,
            *registration_notes(found.registration, found.frames.ids),
        ]
        positions, coverage = found.positions, found.coverage
        if whole is not recording:
            positions = joined(heard_positions(whole), positions)
            covered, said = locate_hf(whole, plan, mounts, self.calibration, positions)
            coverage, notes = coverage if len(coverage.face_id) else covered, [*notes, *said]
        self.localization_ = Localization(with_ranks(positions), coverage, tuple(notes))
        tell(1.0, "done")
        return self


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
        self.foreign = foreign_tags(recording.readings.tags)

    def frames(self, observations: Observations | None) -> Frames:
        if self._frames is None:
            assert observations is not None
            return frames_beside_track(observations)
        return self._frames

    @property
    def ids(self) -> tuple[str | None, ...]:
        """Ids of the plan's faces; none without a plan."""
        return () if self._frames is None else self._frames.ids

    def register(self) -> Registration | None:
        """Learn from some of the tags how the run lies to the plan, and take faces and antennas so from here on."""
        if self._frames is None or self.localizer.plan is None:
            return None
        found = None
        if "registration" not in self.localizer.without:
            found = register(self.observe(sample(self.readings)), self._frames, jobs=self.localizer.jobs)
        if found is not None:
            self.mounts = found.mounts(self.mounts)
            self.centre_sigma_m = found.centre_sigma(CENTRE_SIGMA_M)
        if self._known_depth_m is not None:
            found = with_known(found, self._known_depth_m)
        if found is not None:
            self._frames = found.frames(Frames.of_plan(self.localizer.plan))
        self.listening = Listening.of(
            self.recording, self._frames, self.mounts, self.latency_ns, self.localizer.jobs
        )
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

    def block(self, rows: Ints) -> Part:
        localizer, poses = self.localizer, self.recording.poses
        observations = self.observe(rows)
        frames = self.frames(observations)
        candidates = find_candidates(observations, frames, CORRELATION_M)
        if len(candidates.tag) == 0:
            # Nothing here was heard before any face: a dock, a trolley in the corridor.
            none, nowhere = np.zeros(0), Places.empty()
            alone = (observations, candidates)
            traits = traits_of(observations, candidates, alone, None, nowhere, frames, self.foreign)
            return Part(frames, observations, candidates, nowhere, none, localizer.law_, [], traits)
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
        alike = (observations, candidates)
        if "passes" not in localizer.without:
            joint, split, any_joined = join_passes(
                observations,
                candidates,
                places.candidate,
                places.offset_m,
                distances(candidates, places),
                weight,
            )
            if any_joined:
                alike = (joint, split)
                seen = image(joint, split, hypotheses, frames, weigh(joint, split))
                fits, scores, law = self._fit(
                    joint, split, hypotheses, seen, frames, weigh(joint, split), law, None
                )
                places = place(joint, split, hypotheses, fits, scores, frames)
        places = place_by_rssi(observations, candidates, places, frames)
        if "differences" not in localizer.without:
            places = place_by_differences(observations, candidates, places, weight)
        if "thermal" not in localizer.without:
            places = refine_thermal(observations, candidates, hypotheses, places, frames)
        notes: list[str] = []
        if "scatterers" not in localizer.without:
            places, notes = refine_dense(observations, candidates, hypotheses, places, frames)
        common, local = shared_sigma(
            observations, candidates, places, poses, self._stated(frames, places), self.centre_sigma_m
        )
        places = dataclasses.replace(places, sigma_m=np.hypot(places.sigma_m, local))
        return Part(
            frames=frames,
            observations=observations,
            candidates=candidates,
            places=places,
            common_m=common,
            law=law,
            notes=notes,
            traits=traits_of(observations, candidates, alike, hypotheses, places, frames, self.foreign),
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
