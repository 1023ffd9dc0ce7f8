"""What was read of tags beside their number: memory, AFI, EAS and DSFID; ``tags.parquet``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recording import cleaning, tables
from recording.columns import ArrowArray, ColumnSet, Int64, Rows, Strings, UInt8
from recording.errors import RecordingError
from recording.scan_files import antennas, judge, say_late, times
from recording.tables import ParquetTable

NOT_READ = -1
Int16 = npt.NDArray[np.int16]
_BYTES = ("afi", "eas", "dsfid")
MOST_BYTES = 1 << 14


@dataclass(frozen=True, slots=True, eq=False)
class TagMemories(ColumnSet):
    """
    What a reader read of tags beside their number; one row a look, so that a tag may stand several times.

    Attributes
    ----------
    t : int64 (n,)
        Nanoseconds UTC.
    epc : object (n,) of str
        EPC or ISO 15693 UID, upper-case hexadecimal.
    antenna : uint8 (n,)
        Mount id.
    afi, dsfid : int16 (n,)
        Application family and data storage format identifiers, 0 to 255; `NOT_READ` where they were not.
    eas : int16 (n,)
        1 where the EAS bit is on, 0 where it is off, `NOT_READ`.
    memory : object (n,) of bytes
        From the chip's first block on (of a Gen2 tag its user bank); empty where it was not read.
    block_bytes : uint8 (n,)
        Bytes of a block; 0 where the reader does not say.
    """

    DTYPES: ClassVar[dict[str, str]] = {
        "t": "i8",
        "epc": "O",
        "antenna": "u1",
        "afi": "i2",
        "eas": "i2",
        "dsfid": "i2",
        "memory": "O",
        "block_bytes": "u1",
    }

    t: Int64
    epc: Strings
    antenna: UInt8
    afi: Int16
    eas: Int16
    dsfid: Int16
    memory: Strings
    block_bytes: UInt8

    def select(self, rows: Rows) -> TagMemories:
        """Return the looks of a boolean mask, of indices or of a slice."""
        return TagMemories(**{name: values[rows] for name, values in self.columns()})

    @classmethod
    def empty(cls) -> TagMemories:
        """No looks."""
        return cls(**{name: np.empty(0, dtype) for name, dtype in cls.DTYPES.items()})


def to_arrow(part: TagMemories) -> dict[str, ArrowArray]:
    """Return the columns as ``tags.parquet`` stores them, all but the time."""
    arrays: dict[str, ArrowArray] = {
        "epc": pa.array(part.epc.tolist(), pa.string()),
        "antenna": pa.array(part.antenna),
        "memory": pa.array([m or None for m in part.memory.tolist()], pa.binary()),
        "block_bytes": pa.array(part.block_bytes),
    }
    for name in _BYTES:
        values = getattr(part, name)
        stored = values.astype(bool) if name == "eas" else values.astype(np.uint8)
        arrays[name] = pa.array(stored, mask=values < 0)
    return arrays


def read_tag_memories(path: Path, mounts: set[int], notes: list[str]) -> TagMemories:
    """
    Read ``tags.parquet``.

    Parameters
    ----------
    path : Path
        The file.
    mounts : set of int
        The antenna ids of ``run.json``.
    notes : list of str
        What was forgiven is added here.

    Returns
    -------
    TagMemories
        By time, without duplicates and spoiled rows (no time, an EPC that is no hexadecimal).

    Raises
    ------
    RecordingError
        If a column is missing or of a wrong type, or an antenna is not in `mounts`.
    """
    table = ParquetTable(path, tables.TAGS)
    columns: dict[str, npt.NDArray[Any]] = {"antenna": antennas(table, mounts)}
    columns["t"], no_time = times(table, "t")
    epc = table.strings("epc")
    strange = np.fromiter((not cleaning.is_hex(text) for text in epc), np.bool_, len(epc))
    for name in _BYTES:
        values, null = table.numbers(name)
        columns[name] = np.where(null, NOT_READ, values.astype(np.int16)).astype(np.int16)
    columns["block_bytes"] = table.numbers("block_bytes")[0]
    columns["memory"] = _memories(table)
    long = np.fromiter((len(m) > MOST_BYTES for m in columns["memory"].tolist()), np.bool_, len(epc))
    others = [values for name, values in columns.items() if name not in ("t", "memory")]
    others += [table.ranks(name) for name in ("epc", "memory", *table.extra)]
    repeated = cleaning.duplicates(columns["t"], others)
    spoiled = {"time missing": no_time, "EPC no hexadecimal": strange, "memory too long": long}
    drop = judge(table.name, repeated, spoiled, notes) | repeated
    keep = np.flatnonzero(~drop)
    columns = {name: values[keep] for name, values in columns.items()}
    columns["epc"] = np.array([text.upper() for text in epc[keep].tolist()], object)
    made = TagMemories(**columns)
    say_late(table.name, made.t, notes)
    return made.select(np.argsort(made.t, kind="stable"))


def _memories(table: ParquetTable) -> npt.NDArray[np.object_]:
    made = np.empty(table.rows, object)
    try:
        made[:] = [value or b"" for value in table.arrow("memory").to_pylist()]
    except (pa.ArrowException, ValueError) as e:
        raise RecordingError(f"{table.name}: column memory is damaged ({e})") from None
    return made
