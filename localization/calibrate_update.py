"""A calibration kept from night to night: new nights are added to what the file remembers, and old ones fade.

The file keeps what each night said of its references. All of them are learnt from together, as if they had been named
at once; a night's word gains variance with every night since, as antennas sag, poses' filters are tuned and maps are
laid anew, a little. Where the new nights contradict all old ones, something was changed at once, and the old ones go.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from localization.calibrate import Learnt, learn, site_of
from localization.calibrate_model import weigh_references
from localization.calibrate_nights import witness_of
from localization.calibrate_solve import solve
from localization.calibration import Calibration, CalibrationError
from localization.witness import Witness, matched
from recording import Truth
from recording.words import counted
from stacks.plan import Plan

#: So many nights are remembered; what a night's word loses by each night since, as a deviation along a face.
MOST_NIGHTS, FORGOTTEN_M = 14, 0.004
#: New nights so many deviations from what old ones foretell, root mean square over faces, are of another robot or map.
CHANGED = 4.0
#: A reference nearer than this to where it stood has not been moved.
UNMOVED_M = 0.002


def update(
    calibration: Calibration,
    witnesses: Sequence[Witness],
    plan: Plan,
    references: Truth | None,
    *,
    source: str = "calibration",
) -> Learnt:
    """Learn from new scans and from the nights that a calibration remembers.

    Parameters
    ----------
    calibration : Calibration
        With ``nights``.
    witnesses : sequence of Witness
        The new scans; one that is remembered already takes its place.
    plan : Plan
    references : Truth or None
        Tags whose places are known.
    source : str
        The file's name, for errors.

    Raises
    ------
    CalibrationError
        The file remembers no night, or one of another robot or site.
    """
    if not calibration.nights:
        raise CalibrationError(
            f"{source}: remembers no night (written by hand, or by an older version); calibrate anew from recordings"
        )
    notes: list[str] = []
    kept = [witness_of(night, source) for night in calibration.nights]
    new = {one.info.run_id for one in witnesses}
    kept = [pair for pair in kept if pair[0].info.run_id not in new]
    first = witnesses[0].info
    for old, _ in kept:
        for what, mine, theirs in (
            ("robot", first.robot_id, old.info.robot_id),
            ("site", first.site, old.info.site),
        ):
            if mine != theirs:
                raise CalibrationError(
                    f"{source}: is of {what} {theirs}, the recordings are of {mine}; keep a file for each"
                )
    mounts = {(m.id, m.position_m, m.boresight_deg) for m in first.antennas}
    same = [
        pair
        for pair in kept
        if {(m.id, m.position_m, m.boresight_deg) for m in pair[0].info.antennas} == mounts
    ]
    if len(same) < len(kept):
        notes.append(
            f"antennas are mounted otherwise than on {counted(len(kept) - len(same), 'night')} before: forgotten"
        )
    room = max(MOST_NIGHTS - len(witnesses), 0)
    kept = sorted(same, key=lambda pair: pair[0].info.started_at)[len(same) - min(len(same), room) :]
    places = _joined(references, [truth for _, truth in kept])
    kept = [(_unmoved(old, truth, places, plan), truth) for old, truth in kept]
    if kept and (off := _contradiction(kept, witnesses, plan, references)) > CHANGED:
        notes.append(
            f"the new recordings are {off:.0f} deviations from what {counted(len(kept), 'night')} before told: "
            "something was moved or laid anew, and what was before is forgotten"
        )
        kept = []
    everyone = [*(old for old, _ in kept), *witnesses]
    order = np.argsort([one.info.started_at.timestamp() for one in everyone], kind="stable")
    age = np.empty(len(everyone))
    age[order] = np.arange(len(everyone))[::-1]
    learnt = learn(
        everyone, plan, _joined(references, [truth for _, truth in kept]), forgotten_m2=age * FORGOTTEN_M**2
    )
    notes.append(f"nights: {len(witnesses)} new, {len(kept)} remembered")
    return Learnt(learnt.calibration, learnt.estimates, (*notes, *learnt.notes))


def _contradiction(
    kept: Sequence[tuple[Witness, Truth]], witnesses: Sequence[Witness], plan: Plan, references: Truth | None
) -> float:
    """Return how many deviations new nights are from what old ones foretell; 0 where nothing can be held against."""
    site = site_of(plan)
    before, _ = matched([old for old, _ in kept], plan, _joined(None, [truth for _, truth in kept]), [])
    now, _ = matched(witnesses, plan, references, [])
    if not len(before) or not len(now):
        return 0.0
    old, new = weigh_references(before).cells(), weigh_references(now).cells()
    solution = solve(old, site)
    seen = np.isin(new.face, old.face)
    if not seen.any():
        return 0.0
    new = new.select(seen)
    expected, variance = solution.predict(site, new.face, new.heading, new.speed_mps)
    variance = variance + new.own_m2 + solution.model.run_spread_m**2 + len(kept) * FORGOTTEN_M**2
    return math.sqrt(float(np.mean((new.error_m - expected) ** 2 / variance)))


def _unmoved(old: Witness, truth: Truth, places: Truth | None, plan: Plan) -> Witness:
    """Return a remembered night without the tags that have since been put elsewhere, or whose face is no more."""
    now = {} if places is None else {str(epc): n for n, epc in enumerate(places.epc.tolist())}
    ids = {face.id for face in plan.faces}
    keep = np.zeros(len(old.epc), np.bool_)
    for n, epc in enumerate(truth.epc.tolist()):
        at = now.get(str(epc), -1)
        if places is not None and at >= 0 and old.face[n] in ids:
            keep[n] = math.hypot(truth.x_m[n] - places.x_m[at], truth.y_m[n] - places.y_m[at]) < UNMOVED_M
    return replace(
        old, epc=old.epc[keep], face=old.face[keep], offset_m=old.offset_m[keep], sigma_m=old.sigma_m[keep],
        heading=old.heading[keep], speed_mps=old.speed_mps[keep],
    )  # fmt: skip


def _joined(references: Truth | None, others: Sequence[Truth]) -> Truth | None:
    """Join places of references; of a tag that stood at two, the newest counts."""
    columns: dict[str, tuple[float, float, float, str | None]] = {}
    for truth in (*others, *(() if references is None else (references,))):
        there = np.ones(len(truth.epc), np.bool_) if truth.present is None else truth.present
        face = [None] * len(truth.epc) if truth.face is None else truth.face.tolist()
        for n, epc in enumerate(truth.epc.tolist()):
            if there[n]:
                columns[str(epc)] = (float(truth.x_m[n]), float(truth.y_m[n]), float(truth.z_m[n]), face[n])
    if not columns:
        return None
    x, y, z = np.array([row[:3] for row in columns.values()], np.float64).T.copy()
    return Truth(
        epc=np.array(list(columns), object), x_m=x, y_m=y, z_m=z,
        face=np.array([row[3] for row in columns.values()], object),
    )  # fmt: skip
