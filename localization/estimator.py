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
from localization.cells import Rows
from localization.crosscheck import cross_check, said_once, widened, without_meaningless
from localization.delays import find_delays
from localization.dense import refine_dense
from localization.differences import place_by_differences
from localization.faces import Candidates, Frames, find_candidates, frames_beside_track
from localization.fast_run import LEARN_READINGS, run_fast
from localization.hf_output import locate_hf, without_hf
from localization.labels import LabelFits, label_shelves, use_labels
from localization.listening import Hearing, Listening
from localization.notes import ambiguity_notes, mismatch_notes, pinned_notes, registration_notes
from localization.observations import Mounts, Observations, driven_m, observe
from localization.oddities import find_oddities
from localization.oddity_traits import Traits, foreign_tags, traits_of
from localization.output import (
    Part,
    Told,
    coverage_of,
    fill_positions,
    heard_positions,
    joined,
    told_by,
    with_ranks,
)
from localization.passes import join_passes
from localization.placing import Places, RunLaw, Scores, distances, place, place_by_rssi, score
from localization.positions import Coverage, Positions
from localization.profile import Fits, Hypotheses, Image, fit, image, make_hypotheses, weigh
from localization.registration import Registration, register, sample_of, with_known
from localization.shared_error import CENTRE_SIGMA_M, shared_sigma
from localization.shelf_scan import Block
from localization.shelves import refine_shelves
from localization.signal_model import BEAMWIDTH_DEG, CORRELATION_M
from localization.sorting import in_order, one_ahead
from localization.source import InMemory, Source, Spill, Usable, heard_in, ranges_of, readings_of
from localization.tag_order import tags_along_faces
from localization.thermal import refine_thermal
from localization.uprights import Pinned, pin
from recording import Readings, Recording, RecordingStream, StreamError
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Progress = Callable[[float, str], None]

#: Parts an estimator can do without.
PARTS = (
    "registration", "footprint", "passes", "shelves", "uprights", "differences", "thermal", "scatterers", "crosscheck",
)  # fmt: skip
#: Readings handled at once (in whole tags): bounds memory whatever the night's length.
BLOCK_READINGS = 100_000
#: Readings from a run's middle that tell of antennas' ambiguity and cables.
MIDDLE_READINGS = 2_000_000
#: A run of more readings than ``LONG_ROWS`` is streamed, so many rows at once, rather than held in memory.
LONG_ROWS, STREAM_ROWS = 10_000_000, 1_000_000
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
    pinned_ : Pinned or None
        What the shelves' uprights said the run is off by along its faces.
    label_fits_ : LabelFits or None
        Shelf labels fitted where the plan has them.
    """

    localization_: Localization
    ambiguity_: Ambiguity
    delays_m_: Floats
    law_: RunLaw | None
    registration_: Registration | None
    pinned_: Pinned | None
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
        self.pinned_ = None
        self.label_fits_ = None
        latency_ns = round(self.calibration.latency_s * 1e9)
        usable = Usable(recording.info, recording.poses, mounts, latency_ns)
        source = InMemory(
            recording.readings, usable(recording.readings), self._hearing(recording), self._middle_readings()
        )
        positions, coverage, said, traits = self._fit_source(recording, source, mounts, usable, tell)
        notes += said
        if whole is not recording:
            positions = joined(heard_positions(whole), positions)
        if whole is not recording and len(recording.poses):
            tell(0.95, "placing HF tags")
            covered, more = locate_hf(whole, self.plan, mounts, self.calibration, positions)
            coverage, notes = coverage if len(coverage.face_id) else covered, [*notes, *more]
        row_of = np.cumsum(np.bincount(whole.readings.tag, minlength=len(whole.readings.tags)) > 0) - 1
        positions, said = find_oddities(positions, traits, row_of)
        notes += said
        self.localization_ = Localization(with_ranks(positions), coverage, tuple(said_once(notes)))
        tell(1.0, "done")
        return self

    def fit_stream(self, stream: RecordingStream, *, progress: Progress | None = None) -> Localizer:
        """Estimate every tag's place of a run too long for memory: its readings go to files, sorted by tag.

        The same places as by ``fit``, in memory that does not grow with the run.

        Raises
        ------
        StreamError
            The recording must be read whole, and given to ``fit``: a part of it is spoiled or out of order, or HF
            antennas heard it.
        """
        tell: Progress = progress or (lambda _share, _text: None)
        recording = stream.recording
        if without_hf(recording) is not recording:
            raise StreamError(f"{stream.path}: HF antennas heard it; it must be read whole")
        mounts = Mounts.of(recording.info, self.calibration, BEAMWIDTH_DEG)
        self.law_ = None
        self.registration_ = None
        self.pinned_ = None
        self.label_fits_ = None
        usable = Usable(recording.info, recording.poses, mounts, round(self.calibration.latency_s * 1e9))
        with Spill(self._hearing(recording), stream.rows, self._middle_readings()) as source:
            done = 0
            for piece in one_ahead(stream.readings(STREAM_ROWS)):
                source.add(piece, usable(piece))
                done += len(piece)
                tell(0.2 * min(done / max(stream.rows, 1), 1.0), "sorting readings by tag")
            positions, coverage, notes, traits = self._fit_source(
                recording, source, mounts, usable, lambda share, text: tell(0.2 + 0.8 * share, text)
            )
            row_of = np.cumsum(source.tally()[0] > 0) - 1
        positions, said = find_oddities(positions, traits, row_of)
        notes += said
        self.localization_ = Localization(with_ranks(positions), coverage, tuple(said_once(notes)))
        tell(1.0, "done")
        return self

    def _middle_readings(self) -> int:
        return LEARN_READINGS if self.fast else MIDDLE_READINGS

    def _hearing(self, recording: Recording) -> Hearing:
        ids = np.array([mount.id for mount in recording.info.antennas], np.int64)
        return Hearing.of_run(recording.poses, ids, round(self.calibration.latency_s * 1e9))

    def _fit_source(
        self, recording: Recording, source: Source, mounts: Mounts, usable: Usable, tell: Progress
    ) -> tuple[Positions, Coverage, list[str], list[Traits | None]]:
        """Estimate the places of all tags of a source; ``recording`` need not have readings."""
        if self.fast and self.plan is not None and self.plan.faces and len(recording.poses):
            return *self._fit_fast(self.plan, recording, source, mounts, usable, tell), []
        notes: list[str] = []
        positions = heard_in(source)
        middle = source.middle()
        self.ambiguity_ = find_ambiguity(recording.info, middle, recording.poses)
        if len(recording.poses) == 0:
            return positions, Coverage.empty(), ["no poses: no tag could be placed"], []
        self.delays_m_ = find_delays(middle, recording.poses, self.ambiguity_.doubled)
        notes += ambiguity_notes(recording, self.ambiguity_)
        notes += mismatch_notes(recording, self.plan, self.calibration)
        notes += usable.notes()
        latency_ns = round(self.calibration.latency_s * 1e9)
        work = _Work(self, recording, source, mounts, driven_m(recording.poses), latency_ns)
        tell(0.02, "registering faces and antennas")
        self.registration_ = work.register()
        notes += registration_notes(self.registration_, work.ids)
        order = work.order()
        blocks = [np.sort(order[a:b]) for a, b in ranges_of(source.counts[order], BLOCK_READINGS)]
        row_of = np.cumsum(source.tally()[0] > 0) - 1
        told: list[Told] = []
        traits: list[Traits | None] = []

        def keep(part: Part) -> None:
            # A block's places are written at once, and what coverage needs of it is kept: memory stays flat.
            fill_positions(positions, part, row_of, self.calibration)
            notes.extend(part.notes)
            told.append(told_by(part))
            traits.append(part.traits)
            tell(0.9 * len(told) / len(blocks), "placing tags")

        # The first block with anything to place teaches the run's laws to all others.
        while len(told) < len(blocks) and self.law_ is None:
            part = work.block(blocks[len(told)])
            self.law_ = part.law
            if work.pin(part):
                # Seen where the plan has them, tags near a bay's end may belong to the next one.
                part = work.block(blocks[len(told)])
            keep(part)
        with ThreadPoolExecutor(max(1, self.jobs)) as pool:
            for part in in_order(pool, work.block, blocks[len(told) :], 2 * max(1, self.jobs)):
                keep(part)
        notes += pinned_notes(self.pinned_)
        if self.plan is not None and told:
            self.label_fits_, said = use_labels(
                positions, *work.labels(), work.frames(None), self.plan, self.calibration, shift=self.labels
            )
            notes += said
        coverage = Coverage.empty()
        if self.plan is not None and told:
            tell(0.9, "mapping what was covered")
            coverage = coverage_of(work.listening, work.frames(None), self.law_, told, self.jobs)
        return positions, coverage, notes, traits

    def _fit_fast(
        self, plan: Plan, recording: Recording, source: Source, mounts: Mounts, usable: Usable, tell: Progress
    ) -> tuple[Positions, Coverage, list[str]]:
        """Estimate every tag's place by the single-tag path."""
        found = run_fast(recording, source, plan, self.calibration, mounts, self.jobs, tell)
        self.ambiguity_, self.delays_m_ = found.ambiguity, found.delays_m
        self.law_, self.registration_ = found.law, found.registration
        notes = [
            "each tag placed by itself (fast): no neighbours, no common scatterers",
            *ambiguity_notes(recording, found.ambiguity),
            *mismatch_notes(recording, plan, self.calibration),
            *usable.notes(),
            *registration_notes(found.registration, found.frames.ids),
        ]
        return found.positions, found.coverage, notes


class _Work:
    """The steps of one block, with what all blocks share."""

    def __init__(
        self,
        localizer: Localizer,
        recording: Recording,
        source: Source,
        mounts: Mounts,
        way: Floats,
        latency_ns: int,
    ) -> None:
        self.localizer = localizer
        self.recording = recording
        self.source = source
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
        self.foreign = foreign_tags(source.tags)

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
            chosen = self.source.taken(*sample_of(self.source.counts))
            found = register(self.observe(chosen), self._frames, jobs=self.localizer.jobs)
        if found is not None:
            self.mounts = found.mounts(self.mounts)
            self.centre_sigma_m = found.centre_sigma(CENTRE_SIGMA_M)
        if self._known_depth_m is not None:
            found = with_known(found, self._known_depth_m)
        if found is not None:
            self._frames = found.frames(Frames.of_plan(self.localizer.plan))
        self._listen()
        return found

    def _listen(self) -> None:
        """Map from where the antennas listened, mounts and faces as they are taken now."""
        assert self._frames is not None
        self.listening = Listening.of(
            self.recording,
            self._frames,
            self.mounts,
            self.latency_ns,
            self.localizer.jobs,
            self.source.hearing,
        )

    def observe(self, rows: Rows) -> Observations:
        """Turn readings, sorted by tag, into observations."""
        return self._observe(readings_of(self.source.tags, rows), np.arange(len(rows)))

    def _observe(self, readings: Readings, rows: Ints) -> Observations:
        return observe(
            readings,
            rows,
            self.recording.poses,
            self.way,
            self.mounts,
            self.localizer.ambiguity_.doubled,
            self.localizer.delays_m_,
            self.latency_ns,
        )

    def labels(self) -> tuple[Callable[[Ints], Observations], Readings]:
        """Return what ``use_labels`` needs: the readings of the plan's shelf labels, and how to observe those."""
        assert self.localizer.plan is not None
        known = label_shelves(self.localizer.plan)
        labels = [number for number, epc in enumerate(self.source.tags) if epc in known]
        tags = np.array([number for number in labels if self.source.counts[number]], np.int64)
        readings = readings_of(self.source.tags, self.source.taken(tags, np.ones(len(tags), np.int64)))
        return (lambda rows: self._observe(readings, rows)), readings

    def _stated(self, frames: Frames, places: Places) -> Floats:
        """Return the error that the calibration says each place shares with its neighbours; NaN: it says nothing."""
        calibration, run_id = self.localizer.calibration, self.recording.info.run_id
        shared = np.array([calibration.shared_m(name, run_id) for name in frames.ids], np.float64)
        pinned = self.localizer.pinned_
        if pinned is not None:
            shared = np.where(np.isfinite(shared), shared, pinned.sigma_m)
        return shared[places.face]

    def _pinned(self, places: Places) -> npt.NDArray[np.bool_]:
        """Tell which places are on faces whose uprights told what the run is off by."""
        found = self.localizer.pinned_
        if found is None:
            return np.zeros(len(places.tag), np.bool_)
        return np.isfinite(found.sigma_m)[places.face]

    def pin(self, part: Part) -> bool:
        """Learn from the uprights what the run is off by along its faces; tell whether anything was moved for it."""
        localizer = self.localizer
        if self._frames is None or localizer.pinned_ is not None or "uprights" in localizer.without:
            return False
        told = localizer.calibration
        if told.face_shift_m or told.phase_centre_m or told.latency_s or part.block is None:
            # A calibration was learnt without the uprights, and says what they would.
            return False
        sigma = np.full(len(self._frames.ids), np.nan)
        for face in np.unique(part.places.face):
            sigma[face] = np.median(part.assumed_m[part.places.face == face])
        found = pin(part.block, part.groups, sigma)
        if found is None or not found.worth_it:
            return False
        localizer.pinned_ = found
        self._frames, self.mounts = found.applied(self._frames, self.mounts)
        self._listen()
        return True

    def order(self) -> Ints:
        """Return the tags in the order they are handled: those of one shelf together, where there are faces."""
        if self._frames is None:
            return np.arange(len(self.source.tags))
        t, antenna = self.source.loudest()
        return tags_along_faces(t - self.latency_ns, antenna, self.recording.poses, self._frames, self.mounts)

    def block(self, tags: Ints) -> Part:
        localizer, poses = self.localizer, self.recording.poses
        observations = self.observe(self.source.of(tags))
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
        notes: list[str] = []
        if "crosscheck" not in localizer.without:
            places, notes = without_meaningless(places)
        places = place_by_rssi(observations, candidates, places, frames)
        cleared, shelved, groups, single = observations, None, (), places
        if "shelves" not in localizer.without:
            shelved = Block.of(*alike, hypotheses, fits, frames, weigh(*alike), self.mounts)
            refined = refine_shelves(shelved, scores, places)
            places, groups = refined.places, refined.groups
            scattered = refined.observations.phase_rad - alike[0].phase_rad
            cleared = dataclasses.replace(observations, phase_rad=observations.phase_rad + scattered)
        if "differences" not in localizer.without:
            places = place_by_differences(cleared, candidates, places, weight)
            if any(group.believed for group in groups):
                # What is unusual is looked for where every tag was placed without its shelf.
                single = place_by_differences(observations, candidates, single, weight)
        if "thermal" not in localizer.without:
            places = refine_thermal(cleared, candidates, hypotheses, places, frames)
        if "scatterers" not in localizer.without:
            places, said = refine_dense(observations, candidates, hypotheses, places, frames)
            notes += said
        common, local = shared_sigma(
            observations, candidates, places, poses, self._stated(frames, places), self.centre_sigma_m,
            self._pinned(places),
        )  # fmt: skip
        places, assumed = dataclasses.replace(places, sigma_m=np.hypot(places.sigma_m, local)), common
        if "crosscheck" not in localizer.without:
            found = cross_check(cleared, candidates, places, frames)
            places, common = widened(places, common, found)
            notes += found.notes
        return Part(
            frames=frames,
            observations=observations,
            candidates=candidates,
            places=places,
            common_m=common,
            law=law,
            notes=notes,
            traits=traits_of(
                observations,
                candidates,
                alike,
                hypotheses,
                single if groups else places,
                frames,
                self.foreign,
            ),
            block=shelved,
            groups=groups,
            assumed_m=assumed,
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
