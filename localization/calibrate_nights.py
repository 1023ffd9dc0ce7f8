"""What a night said of its references, as a calibration file keeps it: enough to learn from it again, with others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from localization.calibration import CalibrationError
from localization.evaluate import true_faces
from localization.labels import label_shelves
from localization.registered import Geometry
from localization.witness import Witness
from recording import RecordingError, RunInfo, Truth
from stacks.plan import Plan

#: So many references a night are kept, shared out evenly among its faces; but so many of each face in any case, and so
#: many shelf labels among them.
MOST_TAGS, LEAST_OF_FACE, LEAST_LABELS = 300, 8, 2
_TAG_COLUMNS = ("epc", "face", "offset_m", "sigma_m", "heading", "speed_mps", "x_m", "y_m")


def places_of(references: Truth | None, plan: Plan) -> dict[str, tuple[str, float, float]]:
    """Return the face and the place on the map, m, of each reference that is there, by EPC."""
    if references is None:
        return {}
    there = np.ones(len(references.epc), np.bool_) if references.present is None else references.present
    there = np.flatnonzero(there & np.isfinite(references.x_m) & np.isfinite(references.y_m))
    rows = zip(
        references.epc[there].tolist(),
        true_faces(references, plan)[there].tolist(),
        references.x_m[there].tolist(),
        references.y_m[there].tolist(),
        strict=True,
    )
    return {str(epc): (str(face), x, y) for epc, face, x, y in rows}


def evidence_of(
    witness: Witness, places: Mapping[str, tuple[str, float, float]], plan: Plan
) -> dict[str, Any]:
    """Return what a scan said of the references (``places_of``) that it placed on their own faces, as JSON."""
    rows: list[list[Any]] = []
    numbers = np.column_stack([witness.offset_m, witness.sigma_m, witness.heading, witness.speed_mps])
    told = np.flatnonzero(np.isfinite(numbers).all(axis=1))
    for epc, face, said in zip(
        witness.epc[told].tolist(), witness.face[told].tolist(), numbers[told].tolist(), strict=True
    ):
        place = places.get(str(epc))
        if place is not None and face == place[0]:
            rows.append([str(epc), place[0], *(round(value, 5) for value in (*said, *place[1:]))])
    rows = _shared_out(rows, plan)
    info = witness.info.to_json()
    kept: dict[str, Any] = {
        "run": {key: info[key] for key in ("format", "run_id", "site", "started_at", "robot") if key in info},
        "columns": list(_TAG_COLUMNS),
        "tags": rows,
    }
    if witness.geometry is not None:
        kept["geometry"] = _geometry_json(witness.geometry)
    return kept


def _shared_out(rows: list[list[Any]], plan: Plan) -> list[list[Any]]:
    """Return what is kept of a night's references: as many of each face, along all of it, some of its labels too.

    A face that is forgotten would have to be learnt anew, and labels whose word is not known to be in the calibration
    would say it once more.
    """
    if len(rows) <= MOST_TAGS:
        return rows
    labels = label_shelves(plan)
    names = np.array([row[1] for row in rows])
    along = np.array([row[2] for row in rows], np.float64)
    hung = np.array([row[0].upper() in labels for row in rows], np.bool_)
    faces, count = np.unique(names, return_counts=True)
    quota = LEAST_OF_FACE
    while np.minimum(count, quota + 1).sum() <= MOST_TAGS:
        quota += 1
    kept: list[int] = []
    for face, heard in zip(faces.tolist(), count.tolist(), strict=True):
        here = np.flatnonzero(names == face)
        here = here[np.argsort(along[here], kind="stable")]
        told, rest = here[hung[here]], here[~hung[here]]
        room = min(heard, quota)
        of_labels = min(len(told), max(LEAST_LABELS, round(room * len(told) / heard)))
        of_labels = max(of_labels, room - len(rest))
        kept += [*_spread(told, of_labels), *_spread(rest, room - of_labels)]
    return [rows[n] for n in sorted(kept)]


def _spread(rows: npt.NDArray[np.int64], most: int) -> list[int]:
    """Return so many of them, evenly."""
    if most >= len(rows):
        return rows.tolist()
    # The middles of as many equal parts: one of many is the middle one, no end.
    return rows[((np.arange(most) + 0.5) * len(rows) / max(most, 1)).astype(int)].tolist()


def witness_of(night: Mapping[str, Any], source: str) -> tuple[Witness, Truth]:
    """Return a kept night as a scan already localized, and the places of its references.

    Raises
    ------
    CalibrationError
        The file's ``nights`` are not what this version writes.
    """
    try:
        info = RunInfo.from_json(night["run"], source)
        if tuple(night["columns"]) != _TAG_COLUMNS:
            raise KeyError("columns")
        rows = [(str(row[0]), str(row[1]), *(float(value) for value in row[2:])) for row in night["tags"]]
        if any(len(row) != len(_TAG_COLUMNS) for row in rows):
            raise KeyError("tags")
        geometry = _geometry(night["geometry"]) if "geometry" in night else None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecordingError) as error:
        raise CalibrationError(
            f"{source}: the nights it keeps cannot be read ({error}); calibrate anew from recordings"
        ) from None
    numbers = np.array([row[2:] for row in rows], np.float64).reshape(-1, len(_TAG_COLUMNS) - 2)
    if not np.isfinite(numbers).all():
        raise CalibrationError(f"{source}: a number in nights is not finite; calibrate anew from recordings")
    epc, face = (np.array([row[n] for row in rows] or [], object) for n in (0, 1))
    return (
        Witness(
            info, epc, face, numbers[:, 0].copy(), numbers[:, 1].copy(), numbers[:, 2].copy(), numbers[:, 3].copy(),
            geometry,
        ),
        Truth(
            epc=epc, x_m=numbers[:, 4].copy(), y_m=numbers[:, 5].copy(), z_m=np.full(len(rows), np.nan), face=face
        ),
    )  # fmt: skip


def _geometry_json(geometry: Geometry) -> dict[str, Any]:
    def pairs(values: Mapping[int, tuple[float, float]]) -> dict[str, list[float | None]]:
        return {str(key): [_number(v) for v in pair] for key, pair in values.items()}

    def numbers(values: Mapping[str, float]) -> dict[str, float | None]:
        return {key: _number(value) for key, value in values.items()}

    return {
        "shift_m": pairs(geometry.shift_m),
        "shift_sigma_m": pairs(geometry.shift_sigma_m),
        "depth_m": numbers(geometry.depth_m),
        "depth_sigma_m": numbers(geometry.depth_sigma_m),
    }


def _geometry(held: Mapping[str, Any]) -> Geometry:
    def pairs(name: str) -> dict[int, tuple[float, float]]:
        return {int(key): (_from(pair[0]), _from(pair[1])) for key, pair in held[name].items()}

    def numbers(name: str) -> dict[str, float]:
        return {str(key): _from(value) for key, value in held[name].items()}

    return Geometry(pairs("shift_m"), pairs("shift_sigma_m"), numbers("depth_m"), numbers("depth_sigma_m"))


def _number(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def _from(value: Any) -> float:
    return float("nan") if value is None else float(value)
