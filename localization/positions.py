"""What localization writes: the positions of tags, and where a tag would have been heard.

Both are columns of one length held in frozen dataclasses, stored as Parquet. In memory a missing number is
NaN (``rank`` 0) and a missing text None; in the file all of them are null.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recording.files import replacing

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]

POSITIONS_FORMAT = "nightstack-positions/1"
COVERAGE_FORMAT = "nightstack-coverage/1"
UHF_AIR, HF_AIR = "gen2", "iso15693"
"""Air interfaces, as ``run.json`` names them."""

_TEXT, _FLOAT, _COUNT, _TIME = pa.string(), pa.float64(), pa.uint32(), pa.timestamp("ns", tz="UTC")
_SHARE = pa.float32()
_REQUIRED_POSITIONS = (
    "epc",
    "x_m",
    "y_m",
    "z_m",
    "sigma_along_m",
    "sigma_local_m",
    "readings",
    "antennas",
    "quality",
)


class PositionsError(ValueError):
    """A positions or coverage file that cannot be used: which file, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class Positions:
    """The estimate for every tag heard; all columns have one length ``n``.

    Attributes
    ----------
    epc : object array of str, shape (n,)
        EPC or UID, upper-case hexadecimal.
    x_m, y_m, z_m : float64 array, shape (n,)
        Map coordinates; NaN where the tag could not be placed.
    sigma_along_m : float64 array, shape (n,)
        One standard deviation of the error along the face, as it is.
    sigma_local_m : float64 array, shape (n,)
        The same without what the tag shares with its neighbours: what decides their order.
    readings, antennas : int64 array, shape (n,)
        Readings of this tag in the run, and by how many antennas.
    quality : float64 array, shape (n,)
        0 (a guess) to 1 (the model explains what was heard).
    face_id, shelf_id : object array of str or None, shape (n,)
        Where it stands by the plan; None without a plan or a place.
    offset_m : float64 array, shape (n,)
        Along the face from its origin.
    p_shelf : float64 array, shape (n,)
        Posterior of ``shelf_id`` (of ``face_id`` where the face has no shelves).
    rank : int64 array, shape (n,)
        1 is the leftmost on the shelf, or on the face where it has no shelves; 0 where there is no place.
    p_order : float64 array, shape (n,)
        Posterior that the tag stands right of its left neighbour; NaN at rank 1.
    alt_shelf_id, alt_offset_m, p_alt : arrays, shape (n,)
        The second best place.
    heard_from, heard_to : int64 array, shape (n,)
        First and last reading, ns UTC.
    p_present : float64 array, shape (n,)
        Of several nights: posterior that the tag is there on the last of them; NaN of one night, which heard it.
    p_moved : float64 array, shape (n,)
        Of several nights: posterior that it then stands elsewhere than where it was first heard.
    oddity : object array of str or None, shape (n,)
        What is unusual about the tag, where something may be: ``lying``, ``pushed_back``, ``double`` or ``moving``.
    p_oddity : float64 array, shape (n,)
        Posterior of ``oddity``, or, where it is None, of the likeliest of them; float32 in the file. NaN: not looked
        for.
    """

    epc: Texts
    x_m: Floats
    y_m: Floats
    z_m: Floats
    sigma_along_m: Floats
    sigma_local_m: Floats
    readings: Ints
    antennas: Ints
    quality: Floats
    face_id: Texts
    shelf_id: Texts
    offset_m: Floats
    p_shelf: Floats
    rank: Ints
    p_order: Floats
    alt_shelf_id: Texts
    alt_offset_m: Floats
    p_alt: Floats
    heard_from: Ints
    heard_to: Ints
    p_present: Floats
    p_moved: Floats
    oddity: Texts
    p_oddity: Floats

    _types: ClassVar[dict[str, pa.DataType]] = {
        "epc": _TEXT, "x_m": _FLOAT, "y_m": _FLOAT, "z_m": _FLOAT, "sigma_along_m": _FLOAT,
        "sigma_local_m": _FLOAT, "readings": _COUNT,
        "antennas": pa.uint8(), "quality": _FLOAT, "face_id": _TEXT, "shelf_id": _TEXT,
        "offset_m": _FLOAT, "p_shelf": _FLOAT, "rank": _COUNT, "p_order": _FLOAT, "alt_shelf_id": _TEXT,
        "alt_offset_m": _FLOAT, "p_alt": _FLOAT, "heard_from": _TIME, "heard_to": _TIME,
        "p_present": _FLOAT, "p_moved": _FLOAT,
        "oddity": _TEXT, "p_oddity": _SHARE,
    }  # fmt: skip
    _where_told: ClassVar[tuple[str, ...]] = ("p_present", "p_moved")

    def __post_init__(self) -> None:
        _check_lengths(self)

    def __len__(self) -> int:
        return len(self.epc)

    @property
    def placed(self) -> npt.NDArray[np.bool_]:
        """Which tags have a place, shape (n,)."""
        return np.isfinite(self.x_m)

    def select(self, index: npt.ArrayLike) -> Positions:
        """Return the rows of a mask, shape (rows,), or of indices, in that order."""
        return _select(self, index)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the columns' names, in the order of the fields."""
        return tuple(cls._types)

    @classmethod
    def empty(cls, n: int = 0) -> Positions:
        """Return ``n`` rows in which nothing is known yet."""
        return _empty(cls, n)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a tag standing somewhere would have given: one row a face, level and 0.1 m; ``n`` rows.

    Attributes
    ----------
    face_id : object array of str, shape (n,)
    level : int64 array, shape (n,)
        1 is the lowest board; 0 where the face has no shelves.
    shelf_id : object array of str or None, shape (n,)
    from_m, to_m : float64 array, shape (n,)
        The cell, as offsets along the face.
    readings : float64 array, shape (n,)
        Expected number of readings of a tag in the cell.
    p_heard : float64 array, shape (n,)
        Chance that it would have been heard at all.
    air : object array of str or None, shape (n,)
        Of which tags this is said: ``gen2`` (UHF) or ``iso15693`` (HF), as in ``run.json``. Where antennas of both
        listened, a cell has a row for each. None: of any tag, as files before this column say it.
    """

    face_id: Texts
    level: Ints
    shelf_id: Texts
    from_m: Floats
    to_m: Floats
    readings: Floats
    p_heard: Floats
    air: Texts = field(default_factory=lambda: np.empty(0, object))

    _types: ClassVar[dict[str, pa.DataType]] = {
        "face_id": _TEXT, "level": _COUNT, "shelf_id": _TEXT, "from_m": _FLOAT, "to_m": _FLOAT,
        "readings": _FLOAT, "p_heard": _FLOAT, "air": _TEXT,
    }  # fmt: skip
    _where_told: ClassVar[tuple[str, ...]] = ("air",)

    def __post_init__(self) -> None:
        if not len(self.air):
            object.__setattr__(self, "air", np.full(len(self.face_id), None, object))
        _check_lengths(self)

    def __len__(self) -> int:
        return len(self.face_id)

    def select(self, index: npt.ArrayLike) -> Coverage:
        """Return the rows of a mask, shape (rows,), or of indices, in that order."""
        return _select(self, index)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the columns' names, in the order of the fields."""
        return tuple(cls._types)

    @classmethod
    def empty(cls, n: int = 0) -> Coverage:
        """Return ``n`` rows in which nothing is known yet."""
        return _empty(cls, n)

    def of_air(self, air: str) -> Coverage:
        """Return the same, said of the tags of one air interface."""
        return replace(self, air=np.full(len(self), air, object))

    def joined(self, other: Coverage) -> Coverage:
        """Return the rows of this, then those of the other."""
        if not len(self) or not len(other):
            return self if len(self) else other
        return Coverage(
            *(np.concatenate([getattr(self, name), getattr(other, name)]) for name in Coverage.names())
        )


Table = TypeVar("Table", Positions, Coverage)


def write_positions(path: str | Path, positions: Positions) -> None:
    """Write ``positions.parquet``; the file appears whole or not at all."""
    _write(Path(path), positions, POSITIONS_FORMAT)


def read_positions(path: str | Path) -> Positions:
    """Read ``positions.parquet``.

    Raises
    ------
    PositionsError
        The file is no Parquet, or a column is missing or of another type.
    """
    return _read(Path(path), Positions, _REQUIRED_POSITIONS, POSITIONS_FORMAT)


def write_coverage(path: str | Path, coverage: Coverage) -> None:
    """Write ``coverage.parquet``; the file appears whole or not at all."""
    _write(Path(path), coverage, COVERAGE_FORMAT)


def read_coverage(path: str | Path) -> Coverage:
    """Read ``coverage.parquet``.

    Raises
    ------
    PositionsError
        The file is no Parquet, or a column is missing or of another type.
    """
    required = tuple(name for name in Coverage._types if name not in Coverage._where_told)
    return _read(Path(path), Coverage, required, COVERAGE_FORMAT)


def _columns(table: Positions | Coverage | type[Positions] | type[Coverage]) -> list[str]:
    return [f.name for f in fields(table)]


def _check_lengths(table: Positions | Coverage) -> None:
    lengths = {name: len(getattr(table, name)) for name in _columns(table)}
    if len(set(lengths.values())) > 1:
        raise PositionsError(f"{type(table).__name__}: columns differ in length: {lengths}")


def _select(table: Table, index: npt.ArrayLike) -> Table:
    rows = np.asarray(index)
    return replace(table, **{name: getattr(table, name)[rows] for name in _columns(table)})


def _empty(cls: type[Table], n: int) -> Table:
    return cls(**{name: _blank(kind, n) for name, kind in cls._types.items()})


def _blank(kind: Any, n: int) -> npt.NDArray[Any]:
    if kind == _TEXT:
        return np.full(n, None, object)
    return np.full(n, np.nan) if kind in (_FLOAT, _SHARE) else np.zeros(n, np.int64)


def _is_blank(column: npt.NDArray[Any]) -> bool:
    if column.dtype == object:
        return all(value is None for value in column.tolist())
    return bool(np.isnan(column).all())


def _write(path: Path, table: Positions | Coverage, format_name: str) -> None:
    arrays: list[pa.Array] = []
    # Columns that only some tables have are left out of the others.
    untold = {name for name in table._where_told if _is_blank(getattr(table, name))}
    types = {name: kind for name, kind in table._types.items() if name not in untold}
    for name, kind in types.items():
        values = getattr(table, name)
        if kind in (_FLOAT, _SHARE):
            arrays.append(pa.array(values, _FLOAT, from_pandas=True).cast(kind))
        elif name == "rank":
            arrays.append(pa.array(values, kind, mask=np.asarray(values) <= 0))
        else:
            arrays.append(pa.array(values, kind))
    schema = pa.schema(
        list(types.items()), metadata={"format": format_name, "maker": "nightstack localization"}
    )
    with replacing(path) as partial:
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), partial, compression="zstd")


def _read(path: Path, cls: type[Table], required: tuple[str, ...], format_name: str) -> Table:
    try:
        stored = pq.read_table(path)
    except FileNotFoundError:
        raise PositionsError(f"{path}: no such file; make it with: nightstack localize RECORDING") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise PositionsError(f"{path}: not a readable Parquet file ({error}); localize again") from None
    said = (stored.schema.metadata or {}).get(b"format", format_name.encode()).decode("utf-8", "replace")
    if said != format_name:
        raise PositionsError(f"{path}: format is {said!r}, this reads {format_name!r}; localize again")
    missing = [name for name in required if name not in stored.column_names]
    if missing:
        raise PositionsError(f"{path}: column {missing[0]!r} is missing; localize again")
    columns: dict[str, npt.NDArray[Any]] = {}
    for name, kind in cls._types.items():
        if name not in stored.column_names:
            columns[name] = _blank(kind, stored.num_rows)
            continue
        columns[name] = _from_arrow(path, name, kind, stored.column(name))
    del stored
    pa.default_memory_pool().release_unused()  # a table of millions is not held twice
    return cls(**columns)


def _from_arrow(path: Path, name: str, kind: Any, column: Any) -> npt.NDArray[Any]:
    try:
        if kind == _TEXT:
            coded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
            # Shelves' names recur: one string each, however many tags.
            names = np.array([*coded.dictionary.to_pylist(), None], object)
            return names[coded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)]
        if kind in (_FLOAT, _SHARE):
            return column.cast(_FLOAT).to_numpy(zero_copy_only=False).astype(np.float64, copy=True)
        whole = column.cast(_TIME).cast(pa.int64()) if kind == _TIME else column.cast(pa.int64())
        return whole.fill_null(0).to_numpy().astype(np.int64, copy=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise PositionsError(
            f"{path}: column {name!r} is {column.type}, not {kind} ({error}); localize again"
        ) from None
