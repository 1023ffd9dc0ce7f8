"""Judge positions against the places where tags were surveyed, or put by a simulator.

Errors are measured along the true face's direction (along x without a plan), since that is what decides
between two neighbouring books. They are given as they are, and less each face's median: a whole face is
shifted by a survey that disagrees with the odometry, and no method can see that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from localization.evaluation import (
    ErrorFigures,
    Evaluation,
    Neighbours,
    OrderFigures,
    TagErrors,
    summarise,
)
from localization.positions import Positions
from recording import Truth
from recording.words import counted
from stacks.plan import Face, Plan

__all__ = [
    "ErrorFigures",
    "Evaluation",
    "EvaluationError",
    "Neighbours",
    "OrderFigures",
    "TagErrors",
    "evaluate",
    "pool",
    "true_faces",
    "true_places",
]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]
Rows = npt.NDArray[np.int64]

SAME_ROW_M = 0.15  # without shelves, tags of one face this close in height stand in one row
SAME_PLACE_M = 0.001  # tags nearer than this along the face have no order to be right about


class EvaluationError(ValueError):
    """Positions and truth that cannot be held against each other: what is wrong, and what to do."""


def evaluate(
    positions: Positions,
    truth: Truth,
    plan: Plan | None = None,
    exclude: Iterable[str] = (),
    *,
    label: str = "evaluation",
) -> Evaluation:
    """Hold positions against the truth.

    Parameters
    ----------
    positions : Positions
        One row for each tag heard.
    truth : Truth
        Where tags stood. Rows with ``present`` false are tags that were not there.
    plan : Plan, optional
        Gives each tag's face: its ``shelf_id`` or ``face`` where the truth names one that the plan knows,
        else the face whose tag plane is nearest. Without a plan errors are measured along x.
    exclude : iterable of str
        EPCs to leave out altogether, as surveyed wrongly.
    label : str
        A name for the tables.

    Returns
    -------
    Evaluation

    Notes
    -----
    Adjacent are tags next to each other on one true shelf; on a face without shelves, a tag and the next
    one to its right whose height is within 0.15 m. A pair counts when both are placed; it is wrong when
    they are named on different faces.

    Raises
    ------
    EvaluationError
        An EPC stands twice in the positions, or no tag of the truth is left to judge.
    """
    excluded = {epc.upper() for epc in exclude}
    rows = _rows_of(positions)
    times = Counter(truth.epc.tolist())
    twice = sorted(epc for epc, n in times.items() if n > 1)
    keep = np.array([times[epc] == 1 and epc not in excluded for epc in truth.epc], np.bool_)
    there = np.ones(len(truth.epc), np.bool_) if truth.present is None else truth.present.astype(np.bool_)
    wanted = np.flatnonzero(keep & there & np.isfinite(truth.x_m) & np.isfinite(truth.y_m))
    if not len(wanted):
        raise EvaluationError(
            "truth: no tag with a place is left to judge; name another truth.parquet, or exclude fewer tags"
        )
    notes = [f"{counted(len(twice), 'EPC')} at more than one place left out"] if twice else []
    left_out = excluded & set(truth.epc.tolist())
    if left_out:
        notes.append(f"left out as asked: {', '.join(sorted(left_out))}")

    where = np.array([rows.get(epc, -1) for epc in truth.epc[wanted]], np.int64)
    tags = _tag_errors(positions, truth, plan, wanted, where, label)
    z = truth.z_m[wanted]
    absent = {epc for epc, here in zip(truth.epc.tolist(), there.tolist(), strict=True) if not here}
    placed = positions.epc[positions.placed].tolist()
    return summarise(
        label,
        tags,
        _neighbours(tags, z, _take(positions, where).face_id),
        tuple(sorted(set(positions.epc.tolist()) - set(times) - excluded)),
        tuple(sorted(epc for epc in placed if epc in absent and times[epc] == 1 and epc not in excluded)),
        tuple(notes),
    )


def true_faces(truth: Truth, plan: Plan) -> Texts:
    """Return the face id of every row of the truth, shape (n,), as :func:`evaluate` sees it."""
    return true_places(truth, plan)[0]


def true_places(truth: Truth, plan: Plan) -> tuple[Texts, Floats]:
    """Return the face id of every row of the truth and its offset along that face, m, two of shape (n,)."""
    every = np.arange(len(truth.epc))
    face, _, offset, _ = _faces(
        plan, truth.x_m, truth.y_m, _column(truth.face, every), _column(truth.shelf_id, every)
    )
    return face, offset


def pool(evaluations: Sequence[Evaluation], *, label: str | None = None) -> Evaluation:
    """Return one evaluation over the tags and pairs of several.

    Medians stay those of each face in each recording. Raises :class:`EvaluationError` when there is none.
    """
    if not evaluations:
        raise EvaluationError("there is nothing to pool; evaluate at least one recording first")
    return summarise(
        label or counted(len(evaluations), "recording"),
        _concat(TagErrors, [e.tags for e in evaluations]),
        _concat(Neighbours, [e.neighbours for e in evaluations]),
        tuple(epc for e in evaluations for epc in e.not_in_truth),
        tuple(epc for e in evaluations for epc in e.missing_placed),
        tuple(dict.fromkeys(note for e in evaluations for note in e.notes)),
    )


def _rows_of(positions: Positions) -> dict[str, int]:
    rows = {epc: row for row, epc in enumerate(positions.epc.tolist())}
    if len(rows) < len(positions):
        twice = next(epc for epc, n in Counter(positions.epc.tolist()).items() if n > 1)
        raise EvaluationError(f"positions: EPC {twice} has more than one row; localize the recording again")
    return rows


def _tag_errors(
    positions: Positions,
    truth: Truth,
    plan: Plan | None,
    wanted: Rows,
    where: Any,
    label: str,
) -> TagErrors:
    x, y, z = truth.x_m[wanted], truth.y_m[wanted], truth.z_m[wanted]
    heard = where >= 0
    at = _take(positions, where)
    named_shelf = _column(truth.shelf_id, wanted)
    face, axis, offset, middle = _faces(plan, x, y, _column(truth.face, wanted), named_shelf)
    error = (at.x_m - x) * axis[:, 0] + (at.y_m - y) * axis[:, 1]
    placed = heard & np.isfinite(error)
    local = error.copy()
    for name in set(face.tolist()):
        here = (face == name) & placed
        if here.any():
            local[here] -= np.median(error[here])
    shelf = _true_shelves(plan, face, offset, z, named_shelf)
    return TagErrors(
        run=np.full(len(wanted), label, object),
        epc=truth.epc[wanted],
        face=face,
        shelf=shelf,
        offset_m=offset,
        heard=heard,
        placed=placed,
        error_m=error,
        local_error_m=local,
        height_error_m=np.where(placed, at.z_m - z, np.nan),
        sigma_along_m=np.where(placed, at.sigma_along_m, np.nan),
        sigma_local_m=np.where(placed, at.sigma_local_m, np.nan),
        face_right=_agreement(face, at.face_id, placed),
        shelf_right=_agreement(shelf, at.shelf_id, placed, unnamed_is_wrong=_any(at.shelf_id)),
        constant_error_m=np.abs(offset - middle),
    )


def _take(positions: Positions, where: Rows) -> Positions:
    """Return one row for each of ``where``; an empty one where it is -1."""
    blank = Positions.empty(1)
    columns = [f.name for f in fields(Positions)]
    padded = replace(
        positions, **{c: np.concatenate([getattr(positions, c), getattr(blank, c)]) for c in columns}
    )
    return padded.select(np.where(where >= 0, where, len(positions)))


def _faces(
    plan: Plan | None, x: Floats, y: Floats, named_face: Texts, named_shelf: Texts
) -> tuple[Texts, Floats, Floats, Floats]:
    """Return each tag's true face, that face's direction (n, 2), the tag's offset and the face's middle."""
    n = len(x)
    if plan is None:
        face = np.where(_unnamed(named_face), "", named_face)
        middle = np.empty(n)
        for name in set(face.tolist()):
            middle[face == name] = np.median(x[face == name])
        return face, np.tile([1.0, 0.0], (n, 1)), x, middle
    faces: tuple[Face, ...] = tuple(plan.faces)
    by_id = {face.id: k for k, face in enumerate(faces)}
    of_shelf = {shelf.id: k for k, face in enumerate(faces) for shelf in face.shelves}
    index = np.array(
        [
            of_shelf.get(shelf, by_id.get(face, -1))
            for face, shelf in zip(named_face.tolist(), named_shelf.tolist(), strict=True)
        ],
        np.int64,
    )
    unnamed = np.flatnonzero(index < 0)
    index[unnamed] = _nearest(faces, x[unnamed], y[unnamed])
    origin, along = (np.array(v)[index] for v in ([f.origin_m for f in faces], [f.direction for f in faces]))
    offset = (x - origin[:, 0]) * along[:, 0] + (y - origin[:, 1]) * along[:, 1]
    lengths = np.array([face.length_m for face in faces])
    angle = np.deg2rad(np.array([face.direction_deg for face in faces]))[index]
    ids = np.array([face.id for face in faces], object)
    axis = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return ids[index], axis, offset, lengths[index] / 2


def _nearest(faces: Sequence[Face], x: Floats, y: Floats) -> Rows:
    """Return the face that each place is nearest to, shape (n,)."""
    found, least = np.zeros(len(x), np.int64), np.full(len(x), np.inf)
    for k, face in enumerate(faces if len(x) else ()):
        offset, depth = face.to_face(x, y)
        beyond = np.maximum(0.0, np.maximum(-offset, offset - face.length_m))
        away = np.hypot(beyond, depth - face.tag_depth_m)
        nearer = away < least
        found[nearer], least[nearer] = k, away[nearer]
    return found


def _true_shelves(plan: Plan | None, face: Texts, offset: Floats, z: Floats, named: Texts) -> Texts:
    shelves = named.copy()
    for place in () if plan is None else plan.faces:
        rows = np.flatnonzero((face == place.id) & _unnamed(named))
        if not place.shelves or not len(rows):
            continue
        found = place.shelf_at(offset[rows], z[rows])
        for row, shelf in zip(rows.tolist(), found.tolist(), strict=True):
            shelves[row] = place.shelves[shelf].id if shelf >= 0 else None
    return shelves


def _neighbours(tags: TagErrors, z: Floats, named_face: Texts) -> Neighbours:
    left: list[int] = []
    right: list[int] = []
    rows_of: dict[tuple[Any, Any], list[int]] = {}
    for row in np.argsort(tags.offset_m, kind="stable").tolist():
        rows_of.setdefault((tags.face[row], tags.shelf[row]), []).append(row)
    for (_, shelf), rows in rows_of.items():
        heights = z[rows]
        for k, row in enumerate(rows[:-1]):
            level = np.ones(len(rows) - k - 1, np.bool_)
            if shelf is None:
                level = np.abs(heights[k + 1 :] - heights[k]) <= SAME_ROW_M
            if level.any():
                left.append(row)
                right.append(rows[k + 1 + int(np.argmax(level))])
    i, j = np.array(left, np.int64), np.array(right, np.int64)
    apart = tags.offset_m[j] - tags.offset_m[i] >= SAME_PLACE_M
    i, j = i[apart], j[apart]
    gap = tags.offset_m[j] - tags.offset_m[i]
    judged = tags.placed[i] & tags.placed[j]
    in_order = judged & (gap + np.nan_to_num(tags.error_m[j] - tags.error_m[i]) > 0)
    in_order &= named_face[i] == named_face[j]
    return Neighbours(tags.epc[i], tags.epc[j], gap, judged, in_order)


def _agreement(true: Texts, said: Texts, placed: Bools, *, unnamed_is_wrong: bool = False) -> Floats:
    known = placed & ~_unnamed(true) & (true != "")
    if not unnamed_is_wrong:
        known &= ~_unnamed(said)
    return np.where(known, (true == said).astype(np.float64), np.nan)


def _any(texts: Texts) -> bool:
    return bool((~_unnamed(texts)).any())


def _column(values: Texts | None, rows: Rows) -> Texts:
    if values is None:
        return np.full(len(rows), None, object)
    return np.array([value or None for value in values[rows].tolist()], object)


def _concat(cls: Any, tables: Sequence[Any]) -> Any:
    return cls(*[np.concatenate([getattr(table, f.name) for table in tables]) for f in fields(cls)])


def _unnamed(texts: Texts) -> Bools:
    return np.array([text is None for text in texts.tolist()], np.bool_)
