"""The folder of a made-up library: plan.json, holdings.csv, truth.parquet, planted.csv, robot.json, radio.json.

Where some of its tags are unusual, oddities.json too.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recording import AntennaMount, RecordingError, Truth, read_truth
from sim.errors import SimError
from sim.model import Library, Tags, label_place
from sim.oddities import TagOddities, oddities_json, read_oddities
from sim.presets import RadioParameters
from sim.robot import RobotDescription
from sim.trouble import Planted
from stacks.holdings import HoldingsError, read_holdings
from stacks.plan import Plan, PlanError, read_plan

RADIO_FORMAT: Final = "nightstack-sim-radio/1"
FILES: Final = ("plan.json", "holdings.csv", "truth.parquet", "planted.csv", "robot.json", "radio.json")
ODDITIES_FILE: Final = "oddities.json"
_HOLDING_COLUMNS: Final = ("barcode", "epc", "call_number", "scheme", "title", "home_location", "status")


class HoldingsText:
    """The catalogue of a library as the text of ``holdings.csv``."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def to_csv(self) -> str:
        """Return the text, one line a copy."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_HOLDING_COLUMNS)
        writer.writerows([getattr(row, name) for name in _HOLDING_COLUMNS] for row in self._library.holdings)
        return out.getvalue()


def truth_of(library: Library) -> Truth:
    """Where every book really is; catalogued ones that are not there have no place and ``present`` false.

    Shelf labels are no books and are left out; the plan says where they are.
    """
    tags = library.tags
    books = np.flatnonzero(~tags.label)
    faces, shelves = library.faces(), library.shelves()
    there = [tags.epc[i] for i in books.tolist()]
    known = set(there)
    absent = [row.epc for row in library.holdings if row.epc and row.epc not in known]
    missing = np.full(len(absent), np.nan)
    nowhere: list[str | None] = [None] * len(absent)

    def column(values: Any) -> Any:
        return np.concatenate([values, missing])

    return Truth(
        epc=np.array([*there, *absent], object),
        x_m=column(tags.place_m[books, 0]),
        y_m=column(tags.place_m[books, 1]),
        z_m=column(tags.place_m[books, 2]),
        shelf_id=np.array([*(shelves[s][1].id for s in tags.shelf[books].tolist()), *nowhere], object),
        offset_m=column(tags.offset_m[books]),
        present=np.arange(len(books) + len(absent)) < len(books),
        face=np.array([*(faces[f].id for f in tags.face[books].tolist()), *nowhere], object),
    )


def save_library(library: Library, folder: str | Path) -> Path:
    """Write a library's folder.

    Parameters
    ----------
    library : Library
    folder : path
        Made where it is missing; files of an older library in it are replaced.

    Raises
    ------
    SimError
        When the folder cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(folder / "plan.json", library.plan.to_json())
        (folder / "holdings.csv").write_text(HoldingsText(library).to_csv(), encoding="utf-8")
        with (folder / "planted.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            names = [field.name for field in fields(Planted)]
            writer.writerow(names)
            writer.writerows([getattr(row, name) for name in names] for row in library.planted)
        _write_truth(truth_of(library), folder / "truth.parquet")
        _write_json(folder / "robot.json", library.robot.to_json())
        odd = folder / ODDITIES_FILE
        odd.unlink(missing_ok=True)
        if library.movers or library.odd.odd.any():
            _write_json(odd, oddities_json(library.tags.epc, library.odd, library.movers))
        _write_json(
            folder / "radio.json",
            {
                "format": RADIO_FORMAT,
                "preset": library.radio_preset,
                "seed": library.seed,
                "parameters": library.radio.to_json(),
            },
        )
    except OSError as error:
        raise SimError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from None
    return folder


def load_library(folder: str | Path) -> Library:
    """Read a library's folder.

    Raises
    ------
    SimError
        When a file is missing or wrong: one line naming it.
    """
    folder = Path(folder)
    for name in FILES:
        if not (folder / name).is_file():
            raise SimError(f"{folder / name} is missing; make the library with: nightstack sim library")
    try:
        plan = read_plan(folder / "plan.json")
        holdings = read_holdings(folder / "holdings.csv")
        truth = read_truth(folder / "truth.parquet")
    except (PlanError, HoldingsError, RecordingError) as error:
        raise SimError(f"{folder}: {error}") from None
    radio = read_json(folder / "radio.json")
    if not isinstance(radio, Mapping):
        raise SimError(f"{folder / 'radio.json'}: must be a JSON object; make the library again")
    settings = cast(Mapping[str, Any], radio)
    seed = settings.get("seed")
    if (
        settings.get("format") != RADIO_FORMAT
        or not isinstance(seed, int)
        or isinstance(seed, bool)
        or seed < 0
    ):
        raise SimError(
            f"{folder / 'radio.json'}: needs format {RADIO_FORMAT!r} and a whole seed; make the library again"
        )
    tags = _tags(plan, truth, folder)
    odd, movers = TagOddities.none(len(tags)), ()
    if (folder / ODDITIES_FILE).is_file():
        path = folder / ODDITIES_FILE
        odd, movers = read_oddities(read_json(path), tags.epc, str(path))
    return Library(
        plan=plan,
        holdings=tuple(holdings.rows),
        tags=tags,
        planted=_planted(folder / "planted.csv"),
        robot=RobotDescription.from_json(read_json(folder / "robot.json"), str(folder / "robot.json")),
        radio=RadioParameters.from_json(settings.get("parameters", {}), str(folder / "radio.json")),
        radio_preset=str(settings.get("preset", "ordinary")),
        seed=seed,
        odd=odd,
        movers=movers,
    )


def load_mounts(folder: str | Path) -> tuple[AntennaMount, ...]:
    """Read the antennas of the robot of a library's folder.

    Raises
    ------
    SimError
        When robot.json is missing or wrong.
    """
    path = Path(folder) / "robot.json"
    return RobotDescription.from_json(read_json(path), str(path)).mounts


def read_json(path: Path) -> object:
    """Read a JSON file of a library folder.

    Raises
    ------
    SimError
        When it is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SimError(f"{path} cannot be read ({error}); make the library again") from None


def _write_json(path: Path, obj: object) -> None:
    path.write_text(json.dumps(obj, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _write_truth(truth: Truth, path: Path) -> None:
    columns: dict[str, pa.Array] = {}
    for name, values in truth.columns():
        columns[name] = (
            pa.array(list(values), pa.string())
            if values.dtype == np.dtype(object)
            else pa.array(values, mask=np.isnan(values) if name == "offset_m" else None)
        )
    table = pa.table(columns)
    metadata = {"format": "nightstack-recording/1", "maker": "nightstack sim"}
    pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd")


def _tags(plan: Plan, truth: Truth, folder: Path) -> Tags:
    """Put the tags together from the truth and the plan's shelf labels, in shelf order as they were made."""
    faces = [face for floor in plan.floors for face in floor.faces]
    face_index = {face.id: n for n, face in enumerate(faces)}
    shelf_index = {shelf.id: n for n, shelf in enumerate(s for face in faces for s in face.shelves)}
    if truth.present is None or truth.shelf_id is None or truth.offset_m is None or truth.face is None:
        raise SimError(
            f"{folder / 'truth.parquet'}: needs shelf_id, offset_m, face and present; make the library again"
        )
    rows = np.flatnonzero(truth.present)
    try:
        face = [face_index[f] for f in truth.face[rows]]
        shelf = [shelf_index[s] for s in truth.shelf_id[rows]]
    except KeyError as error:
        raise SimError(
            f"{folder / 'truth.parquet'}: {error.args[0]!r} is not in plan.json; make the library again"
        ) from None
    labels = [
        (f, n, s)
        for f, owner in enumerate(faces)
        for s in owner.shelves
        if s.tag
        for n in (shelf_index[s.id],)
    ]
    label_places = np.empty((len(labels), 4))
    for row, (f, _, s) in enumerate(labels):
        label_places[row] = label_place(faces[f], s)
    epc = [*truth.epc[rows], *(s.tag for _, _, s in labels)]
    place = np.concatenate([np.column_stack([truth.x_m, truth.y_m, truth.z_m])[rows], label_places[:, :3]])
    offset = np.concatenate([truth.offset_m[rows], label_places[:, 3]])
    label = np.arange(len(epc)) >= len(rows)
    shelf_column = np.array(shelf + [n for _, n, _ in labels], np.int32)
    face_column = np.array(face + [f for f, _, _ in labels], np.int32)
    order = np.lexsort((offset, ~label, shelf_column))
    return Tags(
        epc=tuple(epc[i] for i in order.tolist()),
        place_m=np.ascontiguousarray(place[order]),
        offset_m=offset[order],
        face=face_column[order],
        shelf=shelf_column[order],
        label=label[order],
    )


def _planted(path: Path) -> tuple[Planted, ...]:
    names = [field.name for field in fields(Planted)]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != names:
                raise SimError(f"{path}: its columns must be {','.join(names)}; make the library again")
            return tuple(Planted(**{name: row[name] or "" for name in names}) for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SimError(f"{path} cannot be read ({error}); make the library again") from None
