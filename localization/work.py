"""The steps of one block of tags, from readings to places, with what all blocks of a run share."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from localization.bars import interval_sigma
from localization.crosscheck import cross_check, widened, without_meaningless
from localization.dense import refine_dense
from localization.differences import place_by_differences
from localization.faces import Candidates, Frames, find_candidates
from localization.fast_shelf_fit import FastShelfFit
from localization.hypotheses import Hypotheses, make_hypotheses
from localization.observations import Observations
from localization.oddity_traits import traits_of
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
from localization.run_geometry import RunGeometry
from localization.shared_error import shared_sigma
from localization.shelf_antennas import FARTHEST_M, left_of_all, moved_starts
from localization.shelf_group import Starts, starts_of
from localization.shelf_scan import Block
from localization.shelves import mostly_believed, refine_shelves
from localization.signal_model import CORRELATION_M
from localization.stated import pinned_faces, stated_m
from localization.steps import Progress, halving, silent, within
from localization.thermal import elsewhere, refine_thermal
from localization.thermal_peaks import StrengthLaw

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: So often faces and antennas may be moved, and the first block be fitted anew.
SETTLE_ROUNDS = 4
#: Antennas moved are put back where shelves' fits leave so much more of the phases.
WORSE_RAD = 0.005


class Work(RunGeometry):
    """The steps of one block, with the geometry that all blocks share."""

    def settled_block(self, tags: Ints, jobs: int = 1, tell: Progress = silent) -> Part:
        """Place some tags, shape (k,); anew, where their shelves show that faces or antennas are elsewhere."""
        following = halving(tell, 0.0, 1.0)
        part = self.block(tags, jobs=jobs, tell=following())
        if self.localizer.law_ is not None:
            if not self.deepen(part, jobs):
                return part
            return self.block(tags, law=part.law, starts=starts_of(part.groups), jobs=jobs, tell=following())
        # The first block: both are asked of the same fits.
        told, first = self.localizer.registration_, part
        moved, deepened = np.zeros(256), False
        for _ in range(SETTLE_ROUNDS):
            farther, across = self.deepen(part, jobs), self.antennas_off(part)
            deepened |= farther
            back = bool(np.abs(moved + across).max() > FARTHEST_M)
            if back:
                across = -moved
            if not farther and not across.any():
                break
            earlier, before = self.localizer.registration_, part
            starts = moved_starts(part.groups, across)
            if back:
                self.put_antennas_back(told)
                if not deepened:
                    return first
            else:
                self.move_antennas(across)
            part = self.block(tags, law=part.law, starts=starts, jobs=jobs, tell=following())
            moved += across
            if back or not across.any():
                break
            if left_of_all(part.groups) > left_of_all(before.groups) + WORSE_RAD:
                self.put_antennas_back(earlier)
                if not farther:
                    return before
                starts = moved_starts(part.groups, -across)
                return self.block(tags, law=part.law, starts=starts, jobs=jobs, tell=following())
        return part

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
