"""Small recordings to spoil, and the columns of Parquet files as their authors would write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recording import NOT_READ, AntennaMount, Poses, Readings, Recording, RunInfo, TagMemories

START = 1_700_000_040_000_000_000
"""A full UTC minute."""
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
TIME = pa.timestamp("ns", "UTC")


def info(**changes: Any) -> RunInfo:
    mounts = tuple(
        AntennaMount(i, "uhf", i, "gen2", (0.0, -0.3, 0.5 * i), (-90.0, 0.0), power_dbm=30.0) for i in (1, 2)
    )
    values = {"run_id": "night-1", "site": "main", "robot_id": "r2", "antennas": mounts}
    return RunInfo(**values | {"started_at": datetime(2023, 11, 14, 22, 14, tzinfo=UTC)} | changes)


def readings(n: int = 600, every: int = SECOND // 2) -> Readings:
    rng = np.random.default_rng(3)
    tags = tuple(f"E2801160{i:016X}" for i in range(7))
    phase = rng.uniform(0, 6.28, n).astype(np.float32)
    phase[::5] = np.nan
    return Readings(
        t=START + np.arange(n, dtype=np.int64) * every,
        tag=(np.arange(n) % 7).astype(np.uint32),
        tags=tags,
        antenna=(1 + np.arange(n) % 2).astype(np.uint8),
        frequency_khz=rng.choice([865700, 866300], n).astype(np.uint32),
        rssi_dbm=rng.uniform(-80, -40, n).astype(np.float32),
        phase_rad=phase,
    )


def poses(n: int = 300, every: int = SECOND) -> Poses:
    k = np.arange(n)
    return Poses(t=START + k.astype(np.int64) * every, x_m=0.2 * k, y_m=np.sin(0.1 * k), yaw_rad=0.01 * k)


def tag_memories(
    epcs: Sequence[str],
    memory: Sequence[bytes] = (),
    *,
    t0: int = START,
    antenna: int = 1,
    afi: int | Sequence[int] = NOT_READ,
    dsfid: int = NOT_READ,
    block_bytes: int = 4,
) -> TagMemories:
    """What was read of each tag, a nanosecond after the one before; `memory` empty: that of none."""
    n = len(epcs)
    content = np.empty(n, object)
    content[:] = list(memory) or [b""] * n
    return TagMemories(
        t=t0 + np.arange(n, dtype=np.int64),
        epc=np.array(epcs, object),
        antenna=np.full(n, antenna, np.uint8),
        afi=np.full(n, afi, np.int16),
        eas=np.full(n, NOT_READ, np.int16),
        dsfid=np.full(n, dsfid, np.int16),
        memory=content,
        block_bytes=np.full(n, block_bytes, np.uint8),
    )


def recording() -> Recording:
    return Recording(info=info(), readings=readings(), poses=poses())


def reading_columns(data: Readings | None = None) -> dict[str, Any]:
    data = readings() if data is None else data
    return {
        "t": pa.array(data.t).cast(TIME),
        "epc": pa.array(list(data.epc), pa.string()),
        "antenna": pa.array(data.antenna),
        "frequency_khz": pa.array(data.frequency_khz),
        "rssi_dbm": pa.array(data.rssi_dbm),
        "phase_rad": pa.array(data.phase_rad),
    }


def pose_columns(data: Poses | None = None) -> dict[str, Any]:
    data = poses() if data is None else data
    return {"t": pa.array(data.t).cast(TIME)} | {n: pa.array(v) for n, v in data.columns() if n != "t"}


def changed(column: Any, rows: dict[int, Any]) -> Any:
    """An Arrow column with the values of some rows replaced."""
    values = column.cast(pa.int64()).to_pylist() if pa.types.is_timestamp(column.type) else column.to_pylist()
    for row, value in rows.items():
        values[row] = value
    if pa.types.is_timestamp(column.type):
        return pa.array(values, pa.int64()).cast(column.type)
    return pa.array(values, column.type)


def write(folder: Path, **files: Any) -> Path:
    """A folder written without the code under test; a file's value is its columns, bytes, or None for none."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"run": info().to_json(), "readings": reading_columns(), "poses": pose_columns()} | files
    for name, value in content.items():
        if value is None:
            continue
        json_file = name in ("run", "plan")
        file = folder / (
            f"{name}.json" if json_file else f"{name}.csv" if name == "holdings" else f"{name}.parquet"
        )
        if isinstance(value, bytes):
            file.write_bytes(value)
        elif json_file:
            file.write_text(json.dumps(value))
        else:
            pq.write_table(pa.table(value), file)
    return folder
