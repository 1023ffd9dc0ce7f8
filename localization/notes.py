"""What an estimate tells its reader beside the places: one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from localization.ambiguity import Ambiguity
from localization.calibration import Calibration
from localization.registration import Registration
from localization.uprights import CONTRADICTED, Pinned
from recording import Recording
from stacks.plan import Plan

#: A face farther off than this is worth a note.
WORTH_SAYING_M = 0.05


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
        f"the uprights of {found.shelves} shelves place the run {100 * found.ahead_m:+.1f} cm along its way and its"
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
