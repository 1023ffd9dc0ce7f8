"""``surveyed.parquet``: which books stand on some shelves and in which order, as people scanned them by hand.

It says less than ``truth.parquet``: no places in metres, only shelf and rank. Columns: ``epc`` (empty where a copy has
no tag), ``barcode``, ``shelf_id``, ``rank`` (1: leftmost; null where the copy was not there) and ``present`` (false: it
was expected on that shelf and not scanned).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recording.errors import RecordingError
from recording.files import replacing

SURVEYED_FORMAT = "nightstack-surveyed/1"
_SCHEMA = {
    "epc": pa.string(), "barcode": pa.string(), "shelf_id": pa.string(), "rank": pa.int32(), "present": pa.bool_(),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Surveyed:
    """Which copies stand on which shelves, in which order; ``n`` rows.

    Attributes
    ----------
    epc, barcode, shelf_id : object array of str, shape (n,)
        EPCs upper-case hexadecimal; empty for a copy without a tag.
    rank : int64 array, shape (n,)
        1: leftmost on its shelf; 0: not there.
    present : bool array, shape (n,)
        False: expected on that shelf, and not on any of the scanned ones.
    """

    epc: npt.NDArray[np.object_]
    barcode: npt.NDArray[np.object_]
    shelf_id: npt.NDArray[np.object_]
    rank: npt.NDArray[np.int64]
    present: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if len({len(getattr(self, f.name)) for f in fields(self)}) > 1:
            raise ValueError("surveyed: columns differ in length")

    def __len__(self) -> int:
        return len(self.epc)


def write_surveyed(path: str | Path, surveyed: Surveyed, surveyed_at: str = "") -> Path:
    """Write the file; it appears whole or not at all."""
    path = Path(path)
    columns = [
        pa.array(surveyed.epc.tolist(), pa.string()),
        pa.array(surveyed.barcode.tolist(), pa.string()),
        pa.array(surveyed.shelf_id.tolist(), pa.string()),
        pa.array(surveyed.rank, pa.int32(), mask=~surveyed.present),
        pa.array(surveyed.present, pa.bool_()),
    ]
    metadata = {"format": SURVEYED_FORMAT, "maker": "nightstack audit", "surveyed_at": surveyed_at}
    table = pa.table(dict(zip(_SCHEMA, columns, strict=True)))
    with replacing(path) as partial:
        pq.write_table(table.replace_schema_metadata(metadata), partial, compression="zstd")
    return path


def is_surveyed(path: str | Path) -> bool:
    """Say whether a file is one of these, by its own word."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return False
    return metadata.get(b"format", b"").decode("utf-8", "replace") == SURVEYED_FORMAT


def read_surveyed(path: str | Path) -> Surveyed:
    """Read the file.

    Raises
    ------
    RecordingError
        It is no such file, or a column is missing or of another type.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise RecordingError(f"{path}: cannot be read ({error}); make it with: nightstack audit") from None
    for name, kind in _SCHEMA.items():
        if name not in table.column_names or table.schema.field(name).type != kind:
            raise RecordingError(
                f"{path}: column {name} must be there as {kind}; make it with: nightstack audit"
            )
        if name != "rank" and table.column(name).null_count:
            raise RecordingError(f"{path}: column {name} has nulls; make it with: nightstack audit")

    def texts(name: str) -> npt.NDArray[np.object_]:
        values = table.column(name).to_pylist()
        out = np.empty(len(values), object)
        out[:] = values
        return out

    return Surveyed(
        texts("epc"), texts("barcode"), texts("shelf_id"),
        np.array([r or 0 for r in table.column("rank").to_pylist()], np.int64),
        np.array(table.column("present").to_pylist(), np.bool_),
    )  # fmt: skip
