"""The estimator: a recording in, positions and coverage out."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.ambiguity import Ambiguity, find_ambiguity
from localization.calibration import Calibration
from localization.crosscheck import said_once
from localization.delays import find_delays
from localization.fast_run import LEARN_READINGS, run_fast
from localization.hearing import Hearing
from localization.hf_output import locate_hf, without_hf
from localization.label_shift import LabelFits
from localization.labels import use_labels
from localization.notes import (
    ambiguity_notes,
    closing_notes,
    mismatch_notes,
    pinned_notes,
    registration_notes,
)
from localization.observations import Mounts, driven_m
from localization.oddities import find_oddities
from localization.oddity_traits import Traits
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
from localization.placing import RunLaw
from localization.positions import Coverage, Positions
from localization.registration import Registration
from localization.signal_model import BEAMWIDTH_DEG
from localization.sorting import in_order, one_ahead
from localization.source import InMemory, Source, Usable, heard_in, ranges_of
from localization.spill import Spill
from localization.steps import Progress, halving, side_by_side, steady, within
from localization.upright_posterior import Pinned
from localization.uprights import pin_rest, words_of
from localization.work import Work
from recording import Recording, RecordingStream, StreamError
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Parts an estimator can do without.
PARTS = (
    "registration", "footprint", "shelves", "antennas", "uprights", "differences", "thermal", "scatterers",
    "crosscheck",
)  # fmt: skip
#: Readings handled at once (in whole tags): bounds memory whatever the night's length.
BLOCK_READINGS = 100_000
#: Readings from a run's middle that tell of antennas' ambiguity and cables.
MIDDLE_READINGS = 2_000_000
#: How often the first block's uprights are asked at most.
PIN_ROUNDS = 3
#: How many blocks' time the first one takes, by which progress is told.
FIRST_ROUNDS = 3.0
#: A run of more readings than ``LONG_ROWS`` is streamed, so many rows at once, rather than held in memory.
LONG_ROWS, STREAM_ROWS = 10_000_000, 1_000_000


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
    joint : bool
        With ``fast``: then fit every shelf's tags and the scatterers they share together (``fast_joint``).
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
        joint: bool = False,
        labels: bool = True,
    ) -> None:
        if unknown := sorted(set(without) - set(PARTS)):
            raise ValueError(f"no part {unknown[0]!r} to leave out; there are {', '.join(PARTS)}")
        self.without = frozenset(without)
        self.plan = plan
        self.calibration = calibration or Calibration()
        self.jobs = jobs
        if joint and not fast:
            raise ValueError("joint goes with fast: the whole estimator fits shelves jointly anyway")
        self.fast = fast
        self.joint = joint
        self.labels = labels

    def fit(self, recording: Recording, *, progress: Progress | None = None) -> Localizer:
        """Estimate every tag's place."""
        tell = steady(progress)
        tell(0.0, "looking at the readings")
        notes: list[str] = []
        mounts = Mounts.of(recording.info, self.calibration, BEAMWIDTH_DEG)
        whole, recording = recording, without_hf(recording)
        latency_ns = round(self.calibration.latency_s * 1e9)
        usable = Usable(recording.info, recording.poses, mounts, latency_ns)
        source = InMemory(
            recording.readings, usable(recording.readings), self._hearing(recording), self._middle_readings(),
            self.jobs,
        )  # fmt: skip
        positions, coverage, said, traits = self._fit_source(recording, source, mounts, usable, tell)
        notes += said
        if whole is not recording:
            positions = joined(heard_positions(whole), positions)
        if whole is not recording and len(recording.poses):
            tell(0.95, "placing HF tags")
            covered, more = locate_hf(whole, self.plan, mounts, self.calibration, positions)
            coverage, notes = coverage.joined(covered), [*notes, *more]
        notes = closing_notes(whole, self.plan, self.calibration, positions, notes)
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
        tell = steady(progress)
        recording = stream.recording
        if without_hf(recording) is not recording:
            raise StreamError(f"{stream.path}: HF antennas heard it; it must be read whole")
        mounts = Mounts.of(recording.info, self.calibration, BEAMWIDTH_DEG)
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
        notes = closing_notes(recording, self.plan, self.calibration, positions, notes)
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
        self.law_ = None
        self.registration_ = None
        self.pinned_ = None
        self.label_fits_ = None
        if self.fast and self.plan is not None and self.plan.faces and len(recording.poses):
            return *self._fit_fast(self.plan, recording, source, mounts, usable, tell), []
        notes: list[str] = []
        positions = heard_in(source)
        tell(0.01, "learning how antennas tell phases")
        middle = source.middle()
        self.ambiguity_ = find_ambiguity(recording.info, middle, recording.poses)
        if len(recording.poses) == 0:
            return positions, Coverage.empty(), ["no poses: no tag could be placed"], []
        self.delays_m_ = find_delays(middle, recording.poses, self.ambiguity_.doubled)
        notes += ambiguity_notes(recording, self.ambiguity_)
        notes += mismatch_notes(recording, self.plan, self.calibration)
        notes += usable.notes()
        latency_ns = round(self.calibration.latency_s * 1e9)
        work = Work(self, recording, source, mounts, driven_m(recording.poses), latency_ns)
        self.registration_ = work.register(within(tell, 0.02, 0.1))
        order = work.order()
        blocks = [np.sort(order[a:b]) for a, b in ranges_of(source.counts[order], BLOCK_READINGS)]
        row_of = np.cumsum(source.tally()[0] > 0) - 1
        told: list[Told] = []
        antennas = np.array(sorted(mount.id for mount in recording.info.antennas), np.int64)
        traits: list[Traits | None] = []
        words: list[LabelFits] = []

        def keep(part: Part) -> None:
            # A block's places are written at once, and what coverage needs of it is kept: memory stays flat.
            fill_positions(positions, part, row_of, self.calibration)
            notes.extend(part.notes)
            told.append(told_by(part, antennas))
            traits.append(part.traits)
            words.append(words_of(part.block, part.groups, work.expected_m))

        # It is placed several times, all others mostly once.
        first = min(1.0, FIRST_ROUNDS / (FIRST_ROUNDS + max(len(blocks) - 1, 0)))
        following = halving(tell, 0.1, 0.1 + 0.8 * first)
        # The first block with anything to place teaches the run's laws to all others.
        while len(told) < len(blocks) and self.law_ is None:
            # Nothing else is done meanwhile: it gets all threads.
            part = work.settled_block(blocks[len(told)], self.jobs, following())
            self.law_ = part.law
            for _ in range(PIN_ROUNDS):
                tell(0.0, "asking the uprights")
                starts = work.pin(part)
                if starts is None:
                    break
                # Seen where the plan has them, tags near a bay's end may belong to the next one; and laws learnt
                # at places far off are learnt anew.
                self.law_ = None if self.pinned_ is not None and self.pinned_.far else part.law
                part = work.block(blocks[len(told)], starts=starts, jobs=self.jobs, tell=following())
                self.law_ = part.law
            keep(part)
        rest = blocks[len(told) :]
        telling = side_by_side(within(tell, 0.1 + 0.8 * first, 0.9), len(rest), "placing tags")

        def placed(number: int) -> Part:
            part = work.settled_block(rest[number], tell=telling(number))
            telling(number)(1.0, "placed")
            return part

        with ThreadPoolExecutor(max(1, self.jobs)) as pool:
            for part in in_order(pool, placed, range(len(rest)), 2 * max(1, self.jobs)):
                keep(part)
        notes += registration_notes(self.registration_, work.ids)
        late = np.zeros(len(work.ids), np.bool_)
        plan = self.plan if self.plan is not None and self.plan.faces else None
        if plan is not None and words and work.pins:
            late = pin_rest(positions, words, plan, self.pinned_, work.off_m)
        notes += pinned_notes(self.pinned_, int(late.sum()))
        if plan is not None and told:
            self.label_fits_, said = use_labels(
                positions, *work.labels(), work.frames(None), plan, self.calibration,
                recording.info.run_id, np.where(late, np.nan, work.off_m), shift=self.labels,
            )  # fmt: skip
            notes += said
        coverage = Coverage.empty()
        if plan is not None and told:
            tell(0.9, "mapping what was covered")
            coverage = coverage_of(work.listening, work.frames(None), self.law_, told, self.jobs)
        return positions, coverage, notes, traits

    def _fit_fast(
        self, plan: Plan, recording: Recording, source: Source, mounts: Mounts, usable: Usable, tell: Progress
    ) -> tuple[Positions, Coverage, list[str]]:
        """Estimate every tag's place by the single-tag path."""
        found = run_fast(recording, source, plan, self.calibration, mounts, self.jobs, tell, self.joint)
        self.ambiguity_, self.delays_m_ = found.ambiguity, found.delays_m
        self.law_, self.registration_ = found.law, found.registration
        alone = ["each tag placed by itself (fast): no neighbours, no common scatterers"]
        joint = found.joint
        self.pinned_ = None if joint is None else joint.pinned
        notes = [
            *(alone if joint is None else joint.notes()),
            *pinned_notes(self.pinned_),
            *ambiguity_notes(recording, found.ambiguity),
            *mismatch_notes(recording, plan, self.calibration),
            *usable.notes(),
            *registration_notes(found.registration, found.frames.ids),
        ]
        return found.positions, found.coverage, notes
