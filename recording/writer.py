"""Writing a recording folder whole: a folder under another name first, the rename last."""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Generator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recording import tables
from recording.columns import ArrowArray, ArrowTable, ArrowType
from recording.errors import RecordingError
from recording.files import sync
from recording.json_checks import one_line, parse_json
from recording.poses import Poses
from recording.readings import NO_TIME, Readings
from recording.records import Activity, Events, Recording, Truth
from recording.run_info import FORMAT, RunInfo
from recording.tables import ColumnSpec
from recording.tag_memories import TagMemories, to_arrow

ROW_GROUP = 1 << 17
_FILES = (
    "readings.parquet",
    "poses.parquet",
    "activity.parquet",
    "events.parquet",
    "odometry.parquet",
    "sightings.parquet",
    "tags.parquet",
    "plan.json",
    "holdings.csv",
    "truth.parquet",
)


@runtime_checkable
class HasJson(Protocol):
    """A plan, as far as this room knows it."""

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``plan.json``."""
        ...


@runtime_checkable
class HasCsv(Protocol):
    """Holdings, as far as this room knows them."""

    def to_csv(self) -> str:
        """Return the text of ``holdings.csv``."""
        ...


PlanSource = str | Path | Mapping[str, Any] | HasJson
HoldingsSource = str | Path | HasCsv


def metadata(optional: Mapping[str, str] | None = None) -> dict[str, str]:
    """Key-value metadata of each Parquet file: the format's name and version, and its maker."""
    name, number = FORMAT.split("/")
    try:
        maker = f"nightstack {version('nightstack')}"
    except PackageNotFoundError:
        maker = "nightstack"
    return {
        "format": FORMAT,
        "format_name": name,
        "format_version": number,
        "maker": maker,
        **(optional or {}),
    }


class RecordingWriter:
    """
    Write a recording piece by piece; each piece becomes one row group or more.

    Everything goes into a hidden folder beside `path` that takes its name in `close`, so that a run broken
    off leaves nothing behind that a reader would take for whole. Used as a context manager, an exception
    throws the pieces away.

    Parameters
    ----------
    path : path
        The recording folder to be. Where a folder of that name is there already, its recording is replaced
        and all other files in it stay.
    info : RunInfo
        Written to ``run.json``.

    Raises
    ------
    RecordingError
        If the folder cannot be written.
    """

    def __init__(self, path: str | Path, info: RunInfo) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise RecordingError(f"{self.path}: is a file; a recording is a folder, choose another name")
        # What is written must be readable: names, numbers and ids are checked as if they came from a file.
        text = json.dumps(info.to_json(), ensure_ascii=False, indent=1, default=_refuse_value)
        RunInfo.from_json(parse_json(text.encode(), "run.json", RecordingError))
        self._info, self._run_json = info, text + "\n"
        self._temp = self.path.parent / f".{self.path.name}.{uuid.uuid4().hex[:8]}.partial"
        self._open: dict[str, tuple[pq.ParquetWriter, pa.Schema]] = {}
        with _writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._temp.mkdir()

    def readings(self, part: Readings) -> None:
        """Append readings; every part must have the same optional columns as the first."""
        self._known_antennas(part.antenna, "a reading is of")
        # A part that is empty still says which optional columns there are.
        for start in range(0, max(len(part), 1), ROW_GROUP):
            self._readings(part.select(slice(start, start + ROW_GROUP)))

    def _known_antennas(self, antenna: npt.NDArray[np.uint8], what: str) -> None:
        unknown = ~np.isin(antenna, [mount.id for mount in self._info.antennas])
        if np.any(unknown):
            number = int(antenna[np.argmax(unknown)])
            raise RecordingError(f"{self.path}: {what} antenna {number}, which the run does not have")

    def _readings(self, part: Readings) -> None:
        columns = dict(part.columns())
        columns.pop("tag")
        arrays: dict[str, ArrowArray] = {
            name: pa.array(values) for name, values in columns.items() if name not in ("t", "reader_t")
        }
        arrays["t"] = _times(part.t)
        if part.reader_t is not None:
            arrays["reader_t"] = _times(part.reader_t, part.reader_t == NO_TIME)
        arrays["phase_rad"] = pa.array(part.phase_rad, mask=np.isnan(part.phase_rad))
        # Each row group stores its dictionary whole: only tags that are in it.
        heard, index = np.unique(part.tag, return_inverse=True)
        arrays["epc"] = pa.DictionaryArray.from_arrays(
            pa.array(index.astype(np.int32)), pa.array([part.tags[i] for i in heard], pa.string())
        )
        self._append("readings.parquet", tables.READINGS, arrays)

    def poses(self, part: Poses) -> None:
        """Append poses; every part must have the same optional columns as the first."""
        arrays = {n: pa.array(v) for n, v in part.columns() if n not in ("t", "floor_id")}
        arrays["t"] = _times(part.t)
        if part.floor_id is not None:
            arrays["floor_id"] = pa.array(list(part.floor_id), pa.string())
        self._append("poses.parquet", tables.POSES, arrays)

    def activity(self, part: Activity) -> None:
        """Append spans in which antennas listened."""
        arrays = {n: pa.array(v) for n, v in part.columns() if n not in ("t_start", "t_end")}
        arrays |= {"t_start": _times(part.t_start), "t_end": _times(part.t_end)}
        self._append("activity.parquet", tables.ACTIVITY, arrays)

    def events(self, part: Events) -> None:
        """Append events."""
        arrays = {n: pa.array(list(v), pa.string()) for n, v in part.columns() if n != "t"}
        self._append("events.parquet", tables.EVENTS, arrays | {"t": _times(part.t)})

    def tag_memories(self, part: TagMemories) -> None:
        """Append what was read of tags beside their numbers."""
        self._known_antennas(part.antenna, "a tag was read by")
        self._append("tags.parquet", tables.TAGS, to_arrow(part) | {"t": _times(part.t)})

    def truth(self, truth: Truth) -> None:
        """Write the surveyed or simulated truth."""
        arrays = {
            n: pa.array(list(v), pa.string()) if v.dtype == np.dtype(object) else pa.array(v)
            for n, v in truth.columns()
        }
        if truth.offset_m is not None:
            arrays["offset_m"] = pa.array(truth.offset_m, mask=np.isnan(truth.offset_m))
        self._append("truth.parquet", tables.TRUTH, arrays)

    def table(self, name: str, table: ArrowTable) -> None:
        """Write ``odometry`` or ``sightings`` as they are."""
        if name not in ("odometry", "sightings"):
            raise ValueError(f"no table {name!r} in a recording; there are odometry and sightings")
        if "t" not in table.column_names or table.schema.field("t").type != tables.TIME:
            raise RecordingError(f"{name}.parquet: needs a column t of type timestamp[ns, UTC]")
        kept = {
            key: value
            for key, value in (table.schema.metadata or {}).items()
            if key not in {name.encode() for name in metadata()}
        }
        schema = table.schema.with_metadata(kept | {k.encode(): v.encode() for k, v in metadata().items()})
        with _writing(self.path):
            pq.write_table(
                table.cast(schema),
                self._temp / f"{name}.parquet",
                compression="zstd",
                write_page_checksum=True,
            )

    def plan(self, plan: PlanSource) -> None:
        """Write ``plan.json``: a file's copy, an object of JSON, or anything with ``to_json()``."""
        self._document("plan.json", plan)

    def holdings(self, holdings: HoldingsSource) -> None:
        """Write ``holdings.csv``: a file's copy, or anything with ``to_csv()``."""
        self._document("holdings.csv", holdings)

    def close(self) -> Path:
        """Finish all files and give the folder its name; returns it."""
        for name, specs in (("readings.parquet", tables.READINGS), ("poses.parquet", tables.POSES)):
            if name not in self._open:
                needed = {spec.name: pa.array([], spec.type) for spec in specs if spec.required}
                self._append(name, specs, needed)
        with _writing(self.path):
            for writer, _ in self._open.values():
                writer.close()
            self._open.clear()
            (self._temp / "run.json").write_bytes(self._run_json.encode())
            for file in self._temp.iterdir():
                sync(file)
            sync(self._temp)
            _install(self._temp, self.path)
        return self.path

    def abandon(self) -> None:
        """Throw away what was written; the folder of that name stays as it was."""
        for writer, _ in self._open.values():
            with contextlib.suppress(OSError, pa.ArrowException):
                writer.close()
        self._open.clear()
        shutil.rmtree(self._temp, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abandon()
            return
        try:
            self.close()
        except BaseException:
            self.abandon()
            raise

    def _append(self, name: str, specs: tuple[ColumnSpec, ...], arrays: Mapping[str, ArrowArray]) -> None:
        with _writing(self.path):
            if name not in self._open:
                fields = [pa.field(s.name, _stored(s, arrays[s.name])) for s in specs if s.name in arrays]
                schema = pa.schema(fields, metadata=metadata())
                writer = pq.ParquetWriter(
                    self._temp / name,
                    schema,
                    compression="zstd",
                    compression_level=3,
                    write_page_checksum=True,
                    use_dictionary=_encoded(schema),
                )
                self._open[name] = (writer, schema)
            writer, schema = self._open[name]
            if set(schema.names) != set(arrays):
                raise RecordingError(
                    f"{name}: this part has {', '.join(sorted(arrays))} where the first had {', '.join(schema.names)}"
                )
            table = pa.table([arrays[field.name].cast(field.type) for field in schema], schema=schema)
            writer.write_table(table, row_group_size=ROW_GROUP)

    def _document(self, name: str, source: PlanSource | HoldingsSource) -> None:
        with _writing(self.path):
            if isinstance(source, str | Path):
                data = Path(source).read_bytes()
            elif isinstance(source, HasCsv):
                data = source.to_csv().encode()
            else:
                obj = source.to_json() if isinstance(source, HasJson) else dict(source)
                data = (json.dumps(obj, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()
            (self._temp / name).write_bytes(data)


def write_recording(
    path: str | Path,
    recording: Recording,
    *,
    plan: PlanSource | None = None,
    holdings: HoldingsSource | None = None,
) -> Path:
    """
    Write a recording as a folder; it is there whole or not at all.

    Parameters
    ----------
    path : path
        The folder. An older recording of that name is replaced, other files in the folder stay.
    recording : Recording
        What to write. Its `notes` and `not_scanned` belong to the reading and are not written.
    plan, holdings : optional
        A file to copy, or the thing itself; by default the files at `recording.plan_path` and
        `recording.holdings_path`, where there are any.

    Raises
    ------
    RecordingError
        If the folder cannot be written.
    """
    plan = recording.plan_path if plan is None else plan
    holdings = recording.holdings_path if holdings is None else holdings
    with RecordingWriter(path, recording.info) as writer:
        writer.readings(recording.readings)
        writer.poses(recording.poses)
        if recording.activity is not None:
            writer.activity(recording.activity)
        if recording.events is not None:
            writer.events(recording.events)
        if recording.tag_memories is not None:
            writer.tag_memories(recording.tag_memories)
        if recording.truth is not None:
            writer.truth(recording.truth)
        for name, table in (("odometry", recording.odometry), ("sightings", recording.sightings)):
            if table is not None:
                writer.table(name, table)
        if plan is not None:
            writer.plan(plan)
        if holdings is not None:
            writer.holdings(holdings)
    return Path(path)


@contextlib.contextmanager
def _writing(path: Path) -> Generator[None]:
    """Turn what the system or Arrow says into a RecordingError naming the folder."""
    try:
        yield
    except RecordingError:
        raise
    except (OSError, pa.ArrowException) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise RecordingError(f"{path}: cannot be written ({one_line(why)})") from error


def _refuse_value(value: object) -> None:
    raise RecordingError(f"run.json: {one_line(repr(value), 60)} is no value of JSON")


def _times(t: npt.NDArray[np.int64], null: npt.NDArray[np.bool_] | None = None) -> ArrowArray:
    return pa.array(t, mask=null).cast(tables.TIME)


def _stored(spec: ColumnSpec, array: ArrowArray) -> ArrowType:
    return array.type if pa.types.is_dictionary(array.type) else spec.type


def _encoded(schema: ArrowType) -> Any:
    # Times and floats hardly repeat: a dictionary of them costs more than it saves.
    plain = (
        "t",
        "t_start",
        "t_end",
        "reader_t",
        "x_m",
        "y_m",
        "z_m",
        "yaw_rad",
        "phase_rad",
        "offset_m",
        "memory",
    )
    return [name for name in schema.names if name not in plain]


def _install(temp: Path, path: Path) -> None:
    if not path.exists() or not any(path.iterdir()):
        temp.replace(path)
        sync(path.parent)
        return
    # Without run.json a folder is no recording: it goes first and comes back last.
    (path / "run.json").unlink(missing_ok=True)
    sync(path)
    for name in _FILES:
        if (temp / name).exists():
            (temp / name).replace(path / name)
        else:
            (path / name).unlink(missing_ok=True)
    sync(path)
    (temp / "run.json").replace(path / "run.json")
    sync(path)
    temp.rmdir()
