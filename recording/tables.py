"""
Parquet tables of the recording folder: opening them, checking their columns, turning them to numpy.

Structure is strict here: a missing file or column and a wrong type are refused. Any Arrow string, and any
dictionary of strings, counts as a string. What single rows hold is judged in `recording.cleaning`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recording.columns import ArrowArray, ArrowTable, ArrowType, Bool, Strings
from recording.errors import RecordingError
from recording.json_checks import one_line

TIME = pa.timestamp("ns", "UTC")
_COPY_AGAIN = "cut short? copy it again from the robot or the service"
_UTC_NAMES = {"UTC", "Etc/UTC", "GMT", "Z", "+00:00", "utc"}


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of a format: its name, its Arrow type, and whether it must be there."""

    name: str
    type: ArrowType
    required: bool = True


def _optional(name: str, kind: ArrowType) -> ColumnSpec:
    return ColumnSpec(name, kind, required=False)


READINGS = (
    ColumnSpec("t", TIME),
    ColumnSpec("epc", pa.string()),
    ColumnSpec("antenna", pa.uint8()),
    ColumnSpec("frequency_khz", pa.uint32()),
    ColumnSpec("rssi_dbm", pa.float32()),
    ColumnSpec("phase_rad", pa.float32()),
    _optional("seen_count", pa.uint32()),
    _optional("doppler_hz", pa.float32()),
    _optional("reader_t", TIME),
)
POSES = (
    ColumnSpec("t", TIME),
    ColumnSpec("x_m", pa.float64()),
    ColumnSpec("y_m", pa.float64()),
    ColumnSpec("yaw_rad", pa.float64()),
    _optional("sigma_xy_m", pa.float32()),
    _optional("sigma_yaw_rad", pa.float32()),
    _optional("floor_id", pa.string()),
    _optional("mast_z_m", pa.float32()),
)
ACTIVITY = (
    ColumnSpec("t_start", TIME),
    ColumnSpec("t_end", TIME),
    ColumnSpec("antenna", pa.uint8()),
    ColumnSpec("power_dbm", pa.float32()),
    ColumnSpec("session", pa.uint8()),
    ColumnSpec("rounds", pa.uint32()),
)
EVENTS = (
    ColumnSpec("t", TIME),
    ColumnSpec("source", pa.string()),
    ColumnSpec("kind", pa.string()),
    ColumnSpec("detail", pa.string()),
)
TAGS = (
    ColumnSpec("t", TIME),
    ColumnSpec("epc", pa.string()),
    ColumnSpec("antenna", pa.uint8()),
    ColumnSpec("afi", pa.uint8()),
    ColumnSpec("eas", pa.bool_()),
    ColumnSpec("dsfid", pa.uint8()),
    ColumnSpec("memory", pa.binary()),
    ColumnSpec("block_bytes", pa.uint8()),
)
TRUTH = (
    ColumnSpec("epc", pa.string()),
    ColumnSpec("x_m", pa.float64()),
    ColumnSpec("y_m", pa.float64()),
    ColumnSpec("z_m", pa.float64()),
    _optional("shelf_id", pa.string()),
    _optional("offset_m", pa.float64()),
    _optional("present", pa.bool_()),
    _optional("face", pa.string()),
)
TRACK = (ColumnSpec("t", TIME),)


class ParquetTable:
    """
    A Parquet file of the folder whose structure has been checked.

    Columns are read one by one when asked for, so that a night of fifty million readings needs the memory
    of its numpy columns and of up to three Arrow columns beside them.

    Raises
    ------
    RecordingError
        If the file is missing, damaged, lacks a column or has one of a wrong type.
    """

    def __init__(self, path: Path, specs: tuple[ColumnSpec, ...]) -> None:
        self.path, self.name = path, path.name
        self._groups: range | None = None
        self.first_row = 0
        self._to_come: list[str] = []
        self._decoder: ThreadPoolExecutor | None = None
        self._decoding: tuple[list[str], Future[dict[str, ArrowArray]]] | None = None
        self._decoded: dict[str, ArrowArray] = {}
        strings = [spec.name for spec in specs if pa.types.is_string(spec.type)]
        try:
            if path.is_dir():
                raise RecordingError(f"{self.name}: is a folder where a file should be")
            # A dictionary column of few distinct strings costs four bytes a row; the setting must name
            # existing columns only, hence the look at the schema first.
            names = pq.read_schema(path).names
            self._file = pq.ParquetFile(
                path, read_dictionary=[s for s in strings if s in names], page_checksum_verification=True
            )
        except FileNotFoundError:
            raise RecordingError(f"{self.name}: is missing") from None
        except RecordingError:
            raise
        except UnicodeEncodeError:
            raise RecordingError(
                f"{self.name}: cannot be opened, as its path is no UTF-8 text; rename the folder"
            ) from None
        except (OSError, pa.ArrowException, ValueError) as e:
            raise RecordingError(
                f"{self.name}: cannot be read as Parquet ({one_line(str(e))}); {_COPY_AGAIN}"
            ) from None
        self.rows: int = self._file.metadata.num_rows
        schema = self._file.schema_arrow
        twice = {name for name in schema.names if schema.names.count(name) > 1}
        self.types: dict[str, ArrowType] = {field.name: field.type for field in schema}
        self.specs = {spec.name: spec for spec in specs}
        for spec in specs:
            if spec.name in twice:
                raise RecordingError(f"{self.name}: column {spec.name} is there twice")
            if spec.name not in self.types:
                if spec.required:
                    raise RecordingError(
                        f"{self.name}: column {spec.name} ({_type_name(spec.type)}) is missing; "
                        f"it has {one_line(', '.join(schema.names[:12])) or 'no columns'}"
                    )
                continue
            self._check_type(spec, self.types[spec.name])
        self.extra = tuple(name for name in self.types if name not in self.specs and name not in twice)

    def _check_type(self, spec: ColumnSpec, found: ArrowType) -> None:
        if pa.types.is_string(spec.type):
            good = is_string(found)
        elif pa.types.is_timestamp(spec.type):
            good = pa.types.is_timestamp(found) and found.unit == "ns" and found.tz in _UTC_NAMES
        else:
            good = found == spec.type
        if not good:
            raise RecordingError(
                f"{self.name}: column {spec.name} is {_type_name(found)} and must be {_type_name(spec.type)}"
            )

    def has(self, name: str) -> bool:
        """Whether the file has this column."""
        return name in self.types

    def parts(self, most_rows: int) -> Iterator[ParquetTable]:
        """Yield the table in parts of whole row groups, each with so many rows or one row group."""
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.metadata.num_row_groups)]
        begin, first_row = 0, 0
        while begin < len(sizes):
            end, rows = begin + 1, sizes[begin]
            while end < len(sizes) and rows + sizes[end] <= most_rows:
                rows += sizes[end]
                end += 1
            part = copy(self)
            part._groups, part.rows, part.first_row = range(begin, end), rows, first_row
            yield part
            begin, first_row = end, first_row + rows

    def ahead(self, names: Sequence[str]) -> None:
        """Decode these columns two at once, while those before them are looked at; ask in this order."""
        self._to_come = [name for name in names if name in self.types]
        self._decoder = ThreadPoolExecutor(1)
        self._decode_next()

    def _decode_next(self) -> None:
        if self._decoder is None:
            return
        if self._to_come:
            names, self._to_come = self._to_come[:2], self._to_come[2:]
            self._decoding = (names, self._decoder.submit(self._columns, names))
        else:
            self._decoder.shutdown(wait=False)
            self._decoder = None

    def arrow(self, name: str) -> ArrowArray:
        """One column as Arrow has it."""
        if name not in self._decoded and self._decoding is not None:
            # The file is read by one call at a time: what is being decoded comes first.
            (names, coming), self._decoding = self._decoding, None
            if name in names:
                self._decoded = coming.result()
                self._decode_next()
            else:
                coming.exception()
        if name in self._decoded:
            return self._decoded.pop(name)
        return self._columns([name])[name]

    def _columns(self, names: list[str]) -> dict[str, ArrowArray]:
        try:
            if self._groups is not None:
                table = self._file.read_row_groups(list(self._groups), columns=names)
            else:
                table = self._file.read(columns=names)
            return {name: table.column(name) for name in names}
        except (OSError, pa.ArrowException, ValueError, KeyError) as e:
            if len(names) > 1:
                # Which of them it is, is said by reading each.
                return {name: self._columns([name])[name] for name in names}
            raise RecordingError(
                f"{self.name}: column {names[0]} is damaged ({one_line(str(e))}); {_COPY_AGAIN}"
            ) from None

    def whole(self) -> ArrowTable:
        """Every column, known or not."""
        try:
            return self._file.read()
        except (OSError, pa.ArrowException, ValueError) as e:
            raise RecordingError(f"{self.name}: is damaged ({one_line(str(e))}); {_COPY_AGAIN}") from None

    def numbers(self, name: str) -> tuple[npt.NDArray[Any], Bool]:
        """Return a column's values, zero where null, and where it is null."""
        column = self.arrow(name)
        null = np.zeros(self.rows, dtype=np.bool_)
        if column.null_count:
            null = column.is_null().to_numpy().astype(np.bool_)
            column = column.fill_null(_zero(column.type))
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        values = column.to_numpy()
        return _owned(values), null

    def floats(self, name: str) -> npt.NDArray[Any]:
        """Return a float column, NaN where null."""
        values, null = self.numbers(name)
        values[null] = np.nan
        return values

    def codes(self, name: str) -> tuple[npt.NDArray[np.int32], list[Any]]:
        """Return a column as indices into its distinct values, -1 where null, and those values."""
        try:
            column = self.arrow(name)
            if not pa.types.is_dictionary(column.type):
                column = column.dictionary_encode()
            chunks = column.unify_dictionaries().chunks
            values = chunks[0].dictionary.to_pylist() if chunks else []
            index = np.empty(self.rows, dtype=np.int32)
            start = 0
            for chunk in chunks:
                part = chunk.indices.cast(pa.int32()).fill_null(-1)
                index[start : start + len(part)] = part.to_numpy()
                start += len(part)
        except RecordingError:
            raise
        except (pa.ArrowException, ValueError) as e:
            raise RecordingError(
                f"{self.name}: column {name} is damaged ({one_line(str(e))}); {_COPY_AGAIN}"
            ) from None
        return index, values

    def strings(self, name: str) -> Strings:
        """Return a string column as objects, None where null."""
        index, values = self.codes(name)
        table = np.empty(len(values) + 1, dtype=object)
        table[:-1] = values
        return table[index]

    def ranks(self, name: str) -> npt.NDArray[Any]:
        """Return any column as integers that are equal where the values are equal."""
        if pa.types.is_nested(self.types[name]):
            # Nested types have no dictionary; their text is as good to compare by.
            texts = np.array([repr(value) for value in self.arrow(name).to_pylist()])
            return np.unique(texts, return_inverse=True)[1]
        return self.codes(name)[0]


def _owned(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values if values.flags.writeable else values.copy()


def _zero(kind: ArrowType) -> Any:
    if pa.types.is_boolean(kind):
        return pa.scalar(False, kind)
    return pa.scalar(0, pa.int64()).cast(kind)


def is_string(kind: ArrowType) -> bool:
    """Whether an Arrow type is a string: string, large_string, string_view, or a dictionary of them."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _type_name(kind: ArrowType) -> str:
    return str(kind).replace("tz=", "")
