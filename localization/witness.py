"""What one scan says before any truth is looked at, and the reference tags it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.calibrate_model import References
from localization.calibration import Calibration
from localization.estimator import Localizer
from localization.evaluate import true_faces, true_places
from localization.labels import label_shelves, label_truth
from localization.observations import Mounts
from localization.positions import Positions
from localization.registered import Geometry, geometry_of
from localization.signal_model import BEAMWIDTH_DEG
from localization.steps import Progress, steady, within
from recording import Recording, RunInfo, Truth
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]

#: The robot's speed is its way over so long, ns.
SPEED_NS = 1_000_000_000
#: An antenna faces a face where the cosine of its boresight against the face's own is above this.
FACING = 0.5


@dataclass(frozen=True, slots=True)
class Witness:
    """What one scan says before any truth is looked at; ``n`` tags placed on a face.

    Attributes
    ----------
    info : RunInfo
    epc, face : object array, shape (n,)
    offset_m, sigma_m : float64 array, shape (n,)
        As estimated without a calibration, with the bar of the tag itself and its poses.
    heading, speed_mps : float64 array, shape (n,)
        Of the robot along the tag's face where the tag was heard.
    geometry : Geometry or None
        What the registration taught.
    """

    info: RunInfo
    epc: npt.NDArray[np.object_]
    face: npt.NDArray[np.object_]
    offset_m: Floats
    sigma_m: Floats
    heading: Floats
    speed_mps: Floats
    geometry: Geometry | None


def witness(
    recording: Recording,
    plan: Plan,
    *,
    jobs: int = 1,
    halves: bool = False,
    progress: Progress | None = None,
) -> Witness:
    """Localize a scan without calibration and keep what a calibration can be learnt from.

    Parameters
    ----------
    recording : Recording
    plan : Plan
    jobs : int
    halves : bool
        Register two halves of the tags apart, too: with one scan alone, how far they differ is the only evidence of
        how sure the registration is.
    progress : callable(share, text), optional
    """
    tell = steady(progress)
    placing = within(tell, 0.0, 0.8 if halves else 0.98)

    def placed(share: float, text: str) -> None:
        if text != "done":
            placing(share, text)

    # A shared error of zero: what is left of sigma_along_m is the tag's own error and its poses'.
    fitted = Localizer(
        plan, calibration=Calibration(sigma_m=0.0), jobs=jobs, labels=False, without=("uprights",)
    ).fit(recording, progress=placed)
    positions = fitted.localization_.positions
    known = np.array([face is not None for face in positions.face_id], np.bool_) & positions.placed
    # A label that could not be fitted where the plan has it is no reference: placed as a book it says nothing.
    fits = fitted.label_fits_
    wanted = set(label_shelves(plan)) - (set() if fits is None else set(fits.epc.tolist()))
    known &= np.array([epc not in wanted for epc in positions.epc.tolist()], np.bool_)
    positions = positions.select(known)
    tell(0.8, "registering both halves of the tags" if halves else "looking how fast it was heard")
    heading, speed = _motion(recording, plan, positions)
    return Witness(
        recording.info, positions.epc, positions.face_id, positions.offset_m, positions.sigma_along_m, heading, speed,
        geometry_of(recording, plan, fitted, halves=halves),
    )  # fmt: skip


def reference_tags(truth: Truth, plan: Plan, per_face: int) -> Truth:
    """Choose so many tags of each face's truth as references: the plan's shelf labels first, then spread evenly.

    Parameters
    ----------
    truth : Truth
    plan : Plan
    per_face : int
        1 or more.
    """
    faces = true_faces(truth, plan)
    there = np.ones(len(truth.epc), np.bool_) if truth.present is None else truth.present
    labels = {shelf.tag.upper() for shelf in plan.shelves if shelf.tag}
    chosen: list[int] = []
    for face in plan.faces:
        here = np.flatnonzero((faces == face.id) & there)
        offset = face.to_face(truth.x_m[here], truth.y_m[here])[0]
        here = here[np.argsort(offset, kind="stable")]
        named = np.array([epc in labels for epc in truth.epc[here].tolist()], np.bool_)
        for group in (here[named], here[~named]):
            wanted = min(per_face - int(np.isin(here, chosen).sum()), len(group))
            chosen += group[
                ((np.arange(wanted) + 0.5) / max(wanted, 1) * len(group)).astype(np.int64)
            ].tolist()
    rows = np.sort(np.array(chosen, np.int64))
    return Truth(
        epc=truth.epc[rows], x_m=truth.x_m[rows], y_m=truth.y_m[rows], z_m=truth.z_m[rows],
        shelf_id=None if truth.shelf_id is None else truth.shelf_id[rows],
        face=None if truth.face is None else truth.face[rows],
    )  # fmt: skip


def with_labels(references: Truth | None, plan: Plan) -> Truth | None:
    """Return references with the shelf labels whose places the plan states; what is there already stays as it is."""
    labels = label_truth(plan)
    if labels is None or references is None:
        return labels if references is None else references
    known = set(references.epc.tolist())
    new = np.flatnonzero([epc not in known for epc in labels.epc.tolist()])
    count = len(references.epc)

    def names(
        have: npt.NDArray[np.object_] | None, more: npt.NDArray[np.object_] | None
    ) -> npt.NDArray[np.object_]:
        assert more is not None
        return np.concatenate([np.full(count, None, object) if have is None else have, more[new]])

    there = np.ones(count, np.bool_) if references.present is None else references.present
    return Truth(
        epc=np.concatenate([references.epc, labels.epc[new]]),
        x_m=np.concatenate([references.x_m, labels.x_m[new]]),
        y_m=np.concatenate([references.y_m, labels.y_m[new]]),
        z_m=np.concatenate([references.z_m, labels.z_m[new]]),
        shelf_id=names(references.shelf_id, labels.shelf_id),
        face=names(references.face, labels.face),
        present=np.concatenate([there, np.ones(len(new), np.bool_)]),
    )


def matched(
    witnesses: Sequence[Witness], plan: Plan, references: Truth | None, notes: list[str]
) -> tuple[References, list[str]]:
    """Match reference tags with what the scans placed on the faces they stand on.

    Returns the references, and the EPC of each number that ``tag`` may have; what was not found is added to ``notes``.
    """
    number = {face.id: n for n, face in enumerate(plan.faces)}
    tables: list[Floats] = [np.zeros((0, 8))]
    epcs: list[str] = [] if references is None else references.epc.tolist()
    if references is not None and epcs:
        faces, offset = true_places(references, plan)
        face = np.array([number[name] for name in faces.tolist()], np.int64)
        there = np.ones(len(epcs), np.bool_) if references.present is None else references.present
        known = {epcs[tag]: tag for tag in np.flatnonzero(there & np.isfinite(offset)).tolist()}
        for run, one in enumerate(witnesses):
            tag = np.array([known.get(epc, -1) for epc in one.epc.tolist()], np.int64)
            error = one.offset_m - offset[tag]
            good = (tag >= 0) & (one.face == faces[tag]) & np.isfinite(error) & np.isfinite(one.heading)
            columns = (np.full(len(tag), run), face[tag], tag, error, one.sigma_m, one.heading, one.speed_mps)
            tables.append(np.column_stack([*columns, offset[tag]])[good])
        missing = len(known) - len(np.unique(np.concatenate(tables)[:, 2]))
        if missing:
            notes.append(f"{missing} reference tags were not heard, or not placed on the face they stand on")
    table = np.concatenate(tables)
    ints = table[:, :3].astype(np.int64)
    return References(ints[:, 0], ints[:, 1], ints[:, 2], *table[:, 3:].T.copy()), epcs


def _motion(recording: Recording, plan: Plan, positions: Positions) -> tuple[Floats, Floats]:
    """Return the robot's heading and speed along each tag's face, weighed by the power received; two of shape (n,)."""
    readings, poses = recording.readings, recording.poses
    if not len(positions) or not len(readings):
        return np.zeros(0), np.zeros(0)
    row = {epc: n for n, epc in enumerate(positions.epc.tolist())}
    row_of = np.array([row.get(epc, -1) for epc in readings.tags], np.int64)[readings.tag]
    keep = row_of >= 0
    at, t = row_of[keep], readings.t[keep]
    now = poses.at(t)
    before, after = poses.at(t - SPEED_NS // 2), poses.at(t + SPEED_NS // 2)
    # Poses are held at the ends of their span, where half a second of way is all there is.
    span = np.clip(t + SPEED_NS // 2, poses.t[0], poses.t[-1]) - np.clip(
        t - SPEED_NS // 2, poses.t[0], poses.t[-1]
    )
    velocity = np.stack([after.x_m - before.x_m, after.y_m - before.y_m], axis=1)
    velocity /= np.maximum(span * 1e-9, 0.05)[:, None]
    where, look = Mounts.of(recording.info, Calibration(), BEAMWIDTH_DEG).place(now, readings.antenna[keep])
    number = {face.id: n for n, face in enumerate(plan.faces)}
    face = np.array([number[name] for name in positions.face_id], np.int64)[at]
    direction = np.radians([face.direction_deg for face in plan.faces])
    normal = np.radians([face.normal_deg for face in plan.faces])
    origin = np.array([face.origin_m for face in plan.faces], np.float64)
    along = np.stack([np.cos(direction), np.sin(direction)], axis=1)[face]
    out = np.stack([np.cos(normal), np.sin(normal)], axis=1)[face]
    # Of readings through the rack or over the shoulder the estimator makes no use.
    facing = (np.einsum("ij,ij->i", where[:, :2] - origin[face], out) > 0.0) & (
        np.einsum("ij,ij->i", look[:, :2], out) < -FACING
    )
    power = facing * 10.0 ** (readings.rssi_dbm[keep].astype(np.float64) / 10.0)
    total = np.bincount(at, power, len(positions))
    total[total == 0.0] = np.nan
    ahead = np.stack([np.cos(now.yaw_rad), np.sin(now.yaw_rad)], axis=1)
    return (
        np.bincount(at, power * np.einsum("ij,ij->i", ahead, along), len(positions)) / total,
        np.bincount(at, power * np.einsum("ij,ij->i", velocity, along), len(positions)) / total,
    )
