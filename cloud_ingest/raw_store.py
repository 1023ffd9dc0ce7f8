"""Raw batches as Parquet: what comes out equals what went in, bit for bit.

A segment holds the batches ``first`` to ``last`` of one kind of one run, in order, as
``DATA/raw/site=<site>/run=<run_id>/<kind>/<first>-<last>.parquet``. Its columns are those of the recording
folder's file of that kind, and `seq`, the batch each row came in. A column that a batch did not have is null
in its rows; a NaN is a NaN with the very bits that were sent.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cloud_ingest.paths import publish
from recording.columns import ArrowArray, ArrowTable
from recording.poses import Poses
from recording.readings import NO_TIME, Readings
from recording.records import Activity, Events
from recording.tables import TIME
from recording.tag_memories import TagMemories
from recording.wire import Batch

FORMAT = "nightstack-raw/1"
SEQ = "seq"

BatchData = Readings | Poses | Events | Activity | TagMemories
_CLASSES: dict[str, type[BatchData]] = {
    "readings": Readings,
    "poses": Poses,
    "events": Events,
    "activity": Activity,
    "tags": TagMemories,
}
_TIMES = frozenset({"t", "t_start", "t_end", "reader_t"})
# What a row says that has no such value, where another row of the same table has one.
_FILLER: dict[str, Any] = {"seen_count": 1, "doppler_hz": np.nan, "reader_t": NO_TIME}


def segment_name(first: int, last: int) -> str:
    """File name of a segment; names sort as their batches do."""
    return f"{first:08d}-{last:08d}.parquet"


def write_segment(path: Path, batches: Sequence[Batch]) -> None:
    """Write batches of one run and kind, in the order given, durably and under its name only when whole.

    The same batches always give the same bytes, so a segment may be written again after a crash.
    """
    first, last = batches[0], batches[-1]
    table = pa.concat_tables([_table(batch) for batch in batches], promote_options="default")
    table = table.unify_dictionaries().replace_schema_metadata(
        {
            "format": FORMAT,
            "maker": "nightstack",
            "run_id": first.run_id,
            "kind": first.kind,
            "first_seq": str(first.seq),
            "last_seq": str(last.seq),
        }
    )
    strings: Any = [
        f.name for f in table.schema if pa.types.is_dictionary(f.type) or pa.types.is_string(f.type)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        # A dictionary of floats would hold all NaNs as one and lose their bits.
        pq.write_table(table, file, compression="zstd", compression_level=3, use_dictionary=strings)
        file.flush()
        os.fsync(file.fileno())
    publish(temporary, path)


def read_segment(path: Path) -> ArrowTable:
    """Read a segment; string columns come as dictionaries."""
    names = pq.read_schema(path).names
    wanted = [name for name in ("epc", "floor_id", "source", "kind", "detail") if name in names]
    return pq.ParquetFile(path, read_dictionary=wanted).read()


def read_batches(path: Path) -> Iterator[Batch]:
    """Give back the batches of a segment that had rows, each as it was sent."""
    table = read_segment(path)
    facts = pq.read_schema(path).metadata
    run_id, kind = facts[b"run_id"].decode(), facts[b"kind"].decode()
    seqs = table.column(SEQ).to_numpy()
    starts = np.flatnonzero(np.diff(seqs, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(seqs)], strict=True):
        part = table.slice(start, end - start)
        yield Batch(run_id, kind, int(seqs[start]), data_of(kind, part))


def optional_columns(kind: str, path: Path) -> set[str]:
    """Name the optional columns that a segment has."""
    return set(_CLASSES[kind].OPTIONAL) & set(pq.read_schema(path).names)


def data_of(kind: str, table: ArrowTable, filled: Collection[str] = ()) -> BatchData:
    """Columns of one kind from a table.

    An optional column that is missing or null throughout is left out, unless `filled` names it: then it says
    "not known" in each row.
    """
    made: dict[str, Any] = {}
    kind_of = _CLASSES[kind]
    for name, dtype in kind_of.DTYPES.items():
        if name == "tag":
            made["tag"], made["tags"] = _codes(table.column("epc"))
            continue
        column = table.column(name) if name in table.column_names else None
        if name in kind_of.OPTIONAL and (column is None or column.null_count == len(column)):
            if name in filled:
                made[name] = np.full(len(table), None if dtype == "O" else _FILLER.get(name, np.nan), dtype)
            continue
        if name == "memory":
            made[name] = _memories(column)
            continue
        made[name] = _strings(column) if dtype == "O" else _numbers(name, column)
    return kind_of(**made)


def _table(batch: Batch) -> ArrowTable:
    data: BatchData = batch.data
    columns: dict[str, pa.Array] = {SEQ: pa.array(np.full(len(data), batch.seq, np.int64))}
    for name, values in data.columns():
        if name == "tag" and isinstance(data, Readings):
            tags = pa.array(data.tags, pa.string())
            columns["epc"] = pa.DictionaryArray.from_arrays(pa.array(values), tags)
        elif name == "memory":
            columns[name] = pa.array(values, pa.binary())
        elif values.dtype == np.dtype(object):
            columns[name] = pa.array(values, pa.string()).dictionary_encode()
        elif name in _TIMES:
            columns[name] = pa.array(values).view(TIME)
        else:
            columns[name] = pa.array(values)
    return pa.table(columns)


def _memories(column: ArrowArray) -> npt.NDArray[np.object_]:
    made = np.empty(len(column), object)
    made[:] = column.to_pylist()
    return made


def _numbers(name: str, column: ArrowArray) -> npt.NDArray[Any]:
    null: npt.NDArray[np.bool_] | None = None
    if column.null_count:
        null = column.is_null().to_numpy()
    if pa.types.is_timestamp(column.type):
        # Not a cast: NO_TIME is a value here.
        column = pa.chunked_array([chunk.view(pa.int64()) for chunk in column.chunks], pa.int64())
    if null is not None:
        column = column.fill_null(pa.scalar(0).cast(column.type))
    values = column.to_numpy().copy()
    if null is not None:
        values[null] = _FILLER.get(name, np.nan)
    return values


def _codes(column: ArrowArray) -> tuple[npt.NDArray[np.uint32], tuple[str, ...]]:
    if not len(column):
        return np.empty(0, np.uint32), ()
    column = column.unify_dictionaries()
    codes = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in column.chunks])
    return codes.astype(np.uint32), tuple(column.chunk(0).dictionary.to_pylist())


def _strings(column: ArrowArray) -> npt.NDArray[np.object_]:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    made = np.empty(len(column), dtype=object)
    made[:] = column.cast(pa.string()).to_pylist()
    return made
