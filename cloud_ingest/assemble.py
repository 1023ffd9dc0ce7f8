"""From a run's raw segments to its recording folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cloud_ingest.raw_store import BatchData, data_of, optional_columns, read_segment
from recording.poses import Poses
from recording.readings import Readings
from recording.records import Activity
from recording.run_info import RunInfo
from recording.tag_memories import TagMemories
from recording.writer import RecordingWriter


@dataclass(frozen=True, slots=True)
class Assembled:
    """What went into a recording folder.

    Attributes
    ----------
    rows
        Rows of each kind that were written.
    notes
        What was left out, one sentence each.
    """

    rows: Mapping[str, int]
    notes: tuple[str, ...]


def assemble(
    folder: Path,
    info: RunInfo,
    segments: Mapping[str, Sequence[Path]],
    *,
    plan: Path | None = None,
    holdings: Path | None = None,
) -> Assembled:
    """Write the recording of a run, segment by segment, so that a night needs the memory of one segment.

    Parameters
    ----------
    folder
        The recording folder to be; a former one is replaced when this one is whole.
    info
        ``run.json``.
    segments
        Parquet segments of each kind, in the order of their batches.
    plan, holdings
        Files to put beside them.

    Raises
    ------
    RecordingError
        The folder cannot be written.
    """
    mounts = np.zeros(256, dtype=np.bool_)
    mounts[[mount.id for mount in info.antennas]] = True
    rows: dict[str, int] = {}
    unknown: dict[str, int] = {}
    with RecordingWriter(folder, info) as writer:
        for kind, paths in segments.items():
            optional = set[str]().union(*(optional_columns(kind, path) for path in paths))
            for path in paths:
                data = data_of(kind, read_segment(path), optional)
                if isinstance(data, Readings | Activity | TagMemories):
                    # An antenna nobody told us of must not cost the night: the folder format refuses it.
                    known = mounts[data.antenna]
                    if not known.all():
                        unknown[kind] = unknown.get(kind, 0) + int(np.count_nonzero(~known))
                        data = data.select(known)
                rows[kind] = rows.get(kind, 0) + len(data)
                _write(writer, data)
        if plan is not None:
            writer.plan(plan)
        if holdings is not None:
            writer.holdings(holdings)
    notes = tuple(
        f"{count} rows of {kind} name an antenna that run.json does not have; they are left out."
        for kind, count in unknown.items()
    )
    return Assembled(rows, notes)


def _write(writer: RecordingWriter, data: BatchData) -> None:
    if isinstance(data, Readings):
        writer.readings(data)
    elif isinstance(data, Poses):
        writer.poses(data)
    elif isinstance(data, Activity):
        writer.activity(data)
    elif isinstance(data, TagMemories):
        writer.tag_memories(data)
    else:
        writer.events(data)
