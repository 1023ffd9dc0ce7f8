"""What an estimate tells its reader beside the places: one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from localization.ambiguity import Ambiguity
from localization.calibration import Calibration
from localization.positions import Positions
from localization.registration import Registration
from localization.signal_model import RANGE_M
from localization.upright_posterior import CONTRADICTED, Pinned
from recording import Poses, Recording
from recording.words import counted
from stacks.plan import Plan

#: A face farther off than this is worth a note.
WORTH_SAYING_M = 0.05
#: Fewer than this share of the tags placed, of those heard while the robot's place was known, is the plan's doing.
FEW_PLACED = 0.5
#: Poses looked at to tell how near the robot came.
MOST_POSES = 20_000
#: All there is to say of a run in which nothing was heard.
UNHEARD = "no readings at all, so nothing to place: were the readers connected, and their antennas on?"


def ambiguity_notes(recording: Recording, found: Ambiguity) -> list[str]:
    """Say how each antenna's phase was taken."""
    notes: list[str] = []
    for mount in recording.info.antennas:
        share = found.share[mount.id]
        said = (
            "too few neighbouring readings, but all tags together tell"
            if found.together[mount.id]
            else "too few readings to tell"
            if np.isnan(share)
            else f"{share:.1%} of neighbouring readings half a turn apart"
        )
        taken = "known up to pi" if found.doubled[mount.id] else "known fully"
        notes.append(f"antenna {mount.id}: phase taken as {taken} (stated {mount.phase_ambiguity}; {said})")
    return notes


def mismatch_notes(recording: Recording, plan: Plan | None, calibration: Calibration) -> list[str]:
    """Say where plan or calibration seem to be another library's or another robot's."""
    notes: list[str] = []
    if plan is None or not plan.faces:
        lacking = "no plan" if plan is None else "the plan has no faces"
        notes.append(
            f"{lacking}: places are on planes beside the track, without shelves; name one with --plan FILE"
        )
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


def closing_notes(
    recording: Recording, plan: Plan | None, calibration: Calibration, positions: Positions, notes: list[str]
) -> list[str]:
    """Return a run's notes, with what its places as a whole tell of it and of the plan.

    Parameters
    ----------
    recording : Recording
        Its readings are not looked at.
    positions : Positions
        Of all tags heard, as the estimator placed them.
    notes : list of str
        Those of the estimator, of which a run without readings needs none.
    """
    if len(positions) == 0:
        return [UNHEARD, *mismatch_notes(recording, plan, calibration)]
    return notes + far_notes(recording.poses, plan, positions)


def far_notes(poses: Poses, plan: Plan | None, positions: Positions) -> list[str]:
    """Say where the plan is hardly the one of the library that the robot drove through."""
    if plan is None or not plan.faces or len(poses) == 0:
        return []
    within = (positions.heard_to >= poses.t[0]) & (positions.heard_from <= poses.t[-1])
    heard, placed = int(within.sum()), int((within & positions.placed).sum())
    if heard == 0 or placed >= FEW_PLACED * heard:
        return []
    nearest = nearest_face_m(poses, plan)
    question = "is it this library's plan, in the map's frame?"
    if nearest > RANGE_M:
        return [
            f"the robot never came within {RANGE_M:.0f} m of a face of the plan (nearest: {nearest:.0f} m): {question}"
        ]
    return [
        f"only {placed} of {heard} tags were heard by an antenna that looks at a face of the plan, though the robot "
        f"came within {nearest:.1f} m of one: {question} And are the antennas' boresights right?"
    ]


def nearest_face_m(poses: Poses, plan: Plan) -> float:
    """Return how near the robot came to the line of a face, m; infinite where there is neither."""
    some = slice(None, None, max(1, len(poses) // MOST_POSES))
    x, y = poses.x_m[some], poses.y_m[some]
    nearest = np.inf
    for face in plan.faces:
        along, depth = face.to_face(x, y)
        beyond = np.maximum(np.maximum(-along, along - face.length_m), 0.0)
        nearest = min(nearest, float(np.hypot(beyond, depth).min(initial=np.inf)))
    return nearest


def registration_notes(found: Registration | None, ids: Sequence[str | None]) -> list[str]:
    """Say which faces were found elsewhere than plan and poses say."""
    if found is None:
        return []
    notes: list[str] = []
    for face in np.flatnonzero(np.abs(np.nan_to_num(found.depth_m)) >= WORTH_SAYING_M).tolist():
        shift = found.depth_m[face]
        notes.append(
            f"face {ids[face]}: its tags stand {abs(shift):.2f} m {'farther from' if shift > 0 else 'nearer to'} the "
            "robot's way than plan and poses say; taken so"
        )
    return notes


def pinned_notes(found: Pinned | None, late: int = 0) -> list[str]:
    """Say what the uprights told; ``late``: of so many faces at the end."""
    said = [f"faces moved along by what their own shelves' uprights say: {late}"] if late else []
    if found is None:
        return said
    moved = np.abs(found.face_m[np.isfinite(found.sigma_m)]).max(initial=0.0)
    notes = [
        f"the uprights of {counted(found.shelves, 'shelf', 'shelves')} place the run"
        f" {100 * found.ahead_m:+.1f} cm along its way and its"
        f" faces up to {100 * moved:.1f} cm besides, to {100 * float(np.nanmedian(found.sigma_m)):.1f} cm;"
        " taken out",
        *said,
    ]
    if found.against > CONTRADICTED:
        notes.append(
            f"the uprights are {found.against:.0f} deviations off what the calibration foretold, which hardly counts:"
            " was something moved or set anew since?"
        )
    return notes
