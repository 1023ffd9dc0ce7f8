"""The steps of one block of tags, from readings to places, with what all blocks of a run share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from localization.bars import interval_sigma
from localization.cells import Rows
from localization.crosscheck import cross_check, widened, without_meaningless
from localization.dense import refine_dense
from localization.differences import place_by_differences
from localization.faces import Candidates, Frames, find_candidates, frames_beside_track
from localization.fast_shelf_fit import FastShelfFit
from localization.hypotheses import Hypotheses, make_hypotheses
from localization.labels import label_shelves
from localization.listening import Listening
from localization.observations import Mounts, Observations, observe
from localization.oddity_traits import foreign_tags, traits_of
from localization.output import Part
from localization.passes import join_passes
from localization.placing import (
    Places,
    RunLaw,
    Scores,
    astray_m,
    distances,
    place,
    place_by_rssi,
    score,
    strays,
)
from localization.profile import Fits, Image, fit, image, weigh
from localization.registration import Registration, nothing_registered, register, sample_of, with_known
from localization.shared_error import CENTRE_SIGMA_M, shared_sigma
from localization.shelf_antennas import FARTHEST_M, left_of_all, moved_starts, settle_antennas
from localization.shelf_depth import settle_depths
from localization.shelf_group import Starts, starts_of
from localization.shelf_scan import Block
from localization.shelves import mostly_believed, refine_shelves
from localization.signal_model import CORRELATION_M
from localization.source import Source, readings_of
from localization.stated import off_m, pinned_faces, stated_m
from localization.steps import Progress, halving, silent, within
from localization.tag_order import tags_along_faces
from localization.thermal import elsewhere, refine_thermal
from localization.thermal_peaks import StrengthLaw
from localization.uprights import CONTRADICTED, Prior, calibrated_prior, expected_shift, pin
from recording import Readings, Recording

if TYPE_CHECKING:
    from localization.estimator import Localizer

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: So often faces and antennas may be moved, and the first block be fitted anew.
SETTLE_ROUNDS = 4
#: Antennas moved are put back where shelves' fits leave so much more of the phases.
WORSE_RAD = 0.005


class Work:
    """The steps of one block, with what all blocks share: mounts and faces as the run has shown them so far."""

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
        self._ask_again = True
        self._contradicted = False
        self._lock = Lock()
        self._settled: set[int] = set()

    def frames(self, observations: Observations | None) -> Frames:
        """Return the plan's faces where the run has them; without a plan, planes beside the track."""
        if self._frames is None:
            assert observations is not None
            return frames_beside_track(observations)
        return self._frames

    @property
    def ids(self) -> tuple[str | None, ...]:
        """Ids of the plan's faces; none without a plan."""
        return () if self._frames is None else self._frames.ids

    def register(self, tell: Progress = silent) -> Registration | None:
        """Learn from some of the tags how the run lies to the plan, and take faces and antennas so from here on."""
        if self._frames is None or self.localizer.plan is None:
            return None
        found = None
        tell(0.0, "registering faces and antennas")
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
        tell(0.7, "mapping where the antennas listened")
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
        """Turn readings, rows sorted by tag, into observations."""
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

    @property
    def pins(self) -> bool:
        """Whether uprights are asked at all."""
        return self._frames is not None and "uprights" not in self.localizer.without

    @property
    def expected_m(self) -> Floats:
        """How far, m, (faces,), the calibration says that places are too far along, which is put right in the end."""
        return expected_shift(self.localizer.calibration, self.ids)

    @property
    def off_m(self) -> Floats:
        """How far off faces of which no upright spoke may be by the calibration, shape (f,); NaN: the others."""
        localizer = self.localizer
        return off_m(localizer.calibration, self.ids, self.recording.info.run_id, localizer.pinned_)

    def deepen(self, part: Part, jobs: int = 1) -> bool:
        """Learn from the shelves' metal how far the faces stand from the way; tell whether any was moved."""
        without = self.localizer.without
        if self._frames is None or "registration" in without or "shelves" in without or not part.groups:
            return False
        more = settle_depths(part.groups, len(self._frames.ids), jobs)
        if self._known_depth_m is not None:
            more[np.isfinite(self._known_depth_m)] = 0.0
        with self._lock:
            # Blocks side by side may hold shelves of one face.
            more[list(self._settled)] = 0.0
            self._settled |= {group.face for group in part.groups}
            if not more.any():
                return False
            self._frames = self._frames.moved_farther(more)
            found = self.localizer.registration_
            if found is not None:
                depth = np.where(more != 0.0, np.nan_to_num(found.depth_m) + more, found.depth_m)
                self.localizer.registration_ = dataclasses.replace(found, depth_m=depth)
        return True

    def settled_block(self, tags: Ints, jobs: int = 1, tell: Progress = silent) -> Part:
        """Place some tags, shape (k,); anew, where their shelves show that faces or antennas are elsewhere."""
        following = halving(tell, 0.0, 1.0)
        part = self.block(tags, jobs=jobs, tell=following())
        if self.localizer.law_ is not None:
            if not self.deepen(part, jobs):
                return part
            return self.block(tags, law=part.law, starts=starts_of(part.groups), jobs=jobs, tell=following())
        # The first block: both are asked of the same fits.
        moved = np.zeros(256)
        for _ in range(SETTLE_ROUNDS):
            farther, across = self.deepen(part, jobs), self.antennas_off(part)
            back = bool(np.abs(moved + across).max() > FARTHEST_M)
            if back:
                across = -moved
            if not farther and not across.any():
                break
            before, starts = part, moved_starts(part.groups, across)
            self.move_antennas(across)
            part = self.block(tags, law=part.law, starts=starts, jobs=jobs, tell=following())
            moved += across
            if back or not across.any():
                break
            if left_of_all(part.groups) > left_of_all(before.groups) + WORSE_RAD:
                self.move_antennas(-across)
                starts = moved_starts(part.groups, -across)
                return (
                    self.block(tags, law=part.law, starts=starts, jobs=jobs, tell=following())
                    if farther
                    else before
                )
        return part

    def antennas_off(self, part: Part) -> Floats:
        """Learn from phases without shelves' metal how much farther left antennas are than they are taken, (256,)."""
        if self._frames is None or part.block is None or part.cleared is None:
            return np.zeros(256)
        if self.localizer.without & {"registration", "shelves", "antennas"}:
            return np.zeros(256)
        return settle_antennas(part.block, part.cleared, part.places, part.groups)

    def move_antennas(self, across_m: Floats) -> None:
        """Take antennas to be so much farther to the left of their boresights, shape (256,)."""
        if not across_m.any():
            return
        found = self.localizer.registration_ or nothing_registered(len(self.ids))
        self.localizer.registration_ = dataclasses.replace(found, across_m=found.across_m + across_m)
        self.mounts = self.mounts.shifted(across_m, np.zeros(256))
        self._listen()

    def pin(self, part: Part) -> Starts | None:
        """Learn from the uprights what the run is off by along its faces.

        Returns
        -------
        Starts or None
            The scatterers found where they are now; none where these were looked for at wrong places. None: the
            uprights said nothing.
        """
        localizer = self.localizer
        before = localizer.pinned_
        if not self.pins or self._frames is None or part.block is None or not self._ask_again:
            return None
        prior = None
        if before is None or not self._contradicted:
            prior = calibrated_prior(
                localizer.calibration, self.ids, self.recording.info.run_id, part.observations.sigma_pose_m
            )
        if prior is None:
            sigma = np.full(len(self._frames.ids), np.nan)
            for face in np.unique(part.places.face):
                sigma[face] = np.median(part.assumed_m[part.places.face == face])
            prior = Prior.usual(sigma, self.expected_m)
        found = pin(part.block, part.groups, prior if before is None else prior.after(before))
        if found is None:
            return None
        self._ask_again = found.far
        self._contradicted |= found.against > CONTRADICTED
        localizer.pinned_ = found if before is None else before.then(found)
        self._frames, self.mounts = found.applied(self._frames, self.mounts)
        self._listen()
        if found.far:
            return {}
        way = {(group.face, group.shelf): group.way for group in part.groups}
        return {
            (face, shelf): sites.moved(-found.shift_m(face, way[face, shelf]))
            for (face, shelf), sites in starts_of(part.groups).items()
        }

    def order(self) -> Ints:
        """Return the tags in the order they are handled, (tags,): a shelf's together, where there are faces."""
        if self._frames is None:
            return np.arange(len(self.source.tags))
        t, antenna = self.source.loudest()
        return tags_along_faces(t - self.latency_ns, antenna, self.recording.poses, self._frames, self.mounts)

    def block(
        self,
        tags: Ints,
        *,
        law: RunLaw | None = None,
        starts: Starts = MappingProxyType({}),
        jobs: int = 1,
        tell: Progress = silent,
    ) -> Part:
        """Place some tags, all steps one after the other.

        Parameters
        ----------
        law : RunLaw, optional
            Where the run's laws are still to be learnt: what they were before faces or antennas were moved a little.
        starts : mapping
            The scatterers of its shelves then.
        jobs : int
            Threads, where no other block is being placed.
        tell : callable(share, text)
            Told of every step.
        """
        localizer, poses = self.localizer, self.recording.poses
        tell(0.0, "looking where each tag was heard")
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
        tell(0.05, "fitting phases tag by tag")
        # The first block teaches the run's laws, and is then fitted anew with them; a third time changed nothing more.
        again = localizer.law_ is None and law is None and self.listening is not None
        law = law or localizer.law_
        seen = image(observations, candidates, hypotheses, frames, weight)
        fits, scores, law = self._fit(
            observations, candidates, hypotheses, seen, frames, weight, law, None, jobs
        )
        if again:
            tell(0.2, "fitting phases by what was learnt")
            fits, scores, law = self._fit(
                observations, candidates, hypotheses, seen, frames, weight, law, fits, jobs
            )
        places = place(observations, candidates, hypotheses, fits, scores, frames)
        # Taken together, an antenna's passes show what moved between them, and how a book lies; no place gets better.
        joined = join_passes(
            observations, candidates, places.candidate, places.offset_m, distances(candidates, places), weight
        )[:2]
        notes: list[str] = []
        cleared, shelved, groups = observations, None, ()
        places = single = place_by_rssi(observations, candidates, places, frames)
        astray, refined = strays(observations, candidates, places, fits), None
        if "shelves" not in localizer.without:
            tell(0.3, "fitting shelves")
            shelved = Block.of(observations, candidates, hypotheses, fits, frames, weight, self.mounts)
            refined = refine_shelves(
                shelved, scores, places, FastShelfFit, starts=starts, jobs=jobs, tell=within(tell, 0.3, 0.8)
            )
            places, groups = refined.places, refined.groups
            cleared = refined.observations
        if "crosscheck" not in localizer.without and not mostly_believed(groups):
            # Where a shelf's metal explains the phases of tags that had no part in finding it, they do mean something.
            judged, notes = without_meaningless(single)
            if notes:
                places = single = place_by_rssi(observations, candidates, judged, frames)
                cleared, groups = observations, ()
                astray[:] = 0.0
        tell(0.8, "comparing neighbours")
        if "differences" not in localizer.without:
            places = place_by_differences(cleared, candidates, places, weight)
            if any(group.believed for group in groups):
                # What is unusual is looked for where every tag was placed without its shelf.
                single = place_by_differences(observations, candidates, single, weight)
        if "thermal" not in localizer.without:
            shelved_rows = refined.members if refined is not None and groups else None
            strengths, before = StrengthLaw(self.mounts, law.pattern_share, law.bias_db), places
            places = refine_thermal(cleared, candidates, hypotheses, places, frames, strengths, shelved_rows)
            gone = elsewhere(before, places)
            astray[gone] = strays(observations, candidates, places, fits)[gone]
        if refined is not None:
            astray[refined.members] = 0.0
        moved = np.zeros(len(places.tag))
        if "scatterers" not in localizer.without:
            tell(0.9, "looking for common scatterers")
            before = places.sigma_m
            places, moved, said = refine_dense(observations, candidates, hypotheses, places, frames)
            astray[places.sigma_m != before] = 0.0
            notes += said
        wide = interval_sigma(places.sigma_m, astray, astray_m(candidates, places))
        places = dataclasses.replace(places, sigma_m=wide)
        common, local = shared_sigma(
            observations, candidates, places, poses,
            stated_m(localizer.calibration, frames.ids, self.recording.info.run_id, localizer.pinned_)[places.face],
            self.centre_sigma_m, pinned_faces(localizer.pinned_, len(frames.ids))[places.face],
        )  # fmt: skip
        places, assumed = dataclasses.replace(places, sigma_m=np.hypot(places.sigma_m, local)), common
        common = np.hypot(common, moved)
        if "crosscheck" not in localizer.without:
            tell(0.95, "cross-checking")
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
                joined,
                hypotheses,
                single if groups else places,
                frames,
                self.foreign,
            ),
            block=shelved,
            groups=groups,
            cleared=cleared,
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
        jobs: int,
    ) -> tuple[Fits, Scores, RunLaw]:
        fits = fit(
            observations, candidates, hypotheses, seen, frames, weight, self.mounts, self.listening,
            law.rate if law is not None and "footprint" not in self.localizer.without else None, before,
        )  # fmt: skip
        scores, learnt = score(
            observations, candidates, hypotheses, fits, self.mounts, weight, self.localizer.law_, frames,
            self.listening, jobs,
        )  # fmt: skip
        return fits, scores, learnt
