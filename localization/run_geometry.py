"""How a run lies to its plan, as far as it has shown: faces, antennas, clock, and where the antennas listened."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from localization.cells import Rows
from localization.faces import Frames, frames_beside_track
from localization.labels import label_shelves
from localization.listening import Listening
from localization.observations import Mounts, Observations, observe
from localization.oddity_traits import foreign_tags
from localization.output import Part
from localization.registration import Registration, nothing_registered, register, sample_of, with_known
from localization.shared_error import CENTRE_SIGMA_M
from localization.shelf_antennas import settle_antennas
from localization.shelf_depth import settle_depths
from localization.shelf_group import Starts, starts_of
from localization.source import Source, readings_of
from localization.stated import off_m
from localization.steps import Progress, silent
from localization.tag_order import tags_along_faces
from localization.upright_posterior import CONTRADICTED, Prior
from localization.uprights import calibrated_prior, expected_shift, pin
from recording import Readings, Recording

if TYPE_CHECKING:
    from localization.estimator import Localizer

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class RunGeometry:
    """Mounts and faces as a run has shown them so far, which all of its blocks share."""

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
        self._take_antennas(found.with_across(found.across_m + across_m), across_m)

    def put_antennas_back(self, told: Registration | None) -> None:
        """Take antennas to be where an earlier registration had them; faces stay where they are."""
        told = told or nothing_registered(len(self.ids))
        now = self.localizer.registration_ or told
        across = told.across_m - now.across_m
        if across.any():
            self._take_antennas(dataclasses.replace(told, depth_m=now.depth_m), across)

    def _take_antennas(self, found: Registration, across_m: Floats) -> None:
        self.localizer.registration_ = found
        self.centre_sigma_m = found.centre_sigma(CENTRE_SIGMA_M)
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
