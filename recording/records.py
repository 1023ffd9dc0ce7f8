"""What else a scan leaves behind: activity, events, surveyed truth, and the recording as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from recording.columns import (
    ArrowTable,
    Bool,
    ColumnSet,
    Float32,
    Float64,
    Int64,
    Rows,
    Strings,
    UInt8,
    UInt32,
)
from recording.poses import Poses
from recording.readings import Readings
from recording.run_info import RunInfo
from recording.tag_memories import TagMemories


@dataclass(frozen=True, slots=True, eq=False)
class Activity(ColumnSet):
    """
    When each antenna listened.

    Attributes
    ----------
    t_start, t_end : int64 (n,)
        Nanoseconds UTC; the end is not part of the span.
    antenna : uint8 (n,)
        Mount id (in a driver: the reader's port).
    power_dbm : float32 (n,)
        Transmit power; NaN where unknown.
    session : uint8 (n,)
        Gen2 session, 0 to 3.
    rounds : uint32 (n,)
        Inventory rounds run in the span; 0 where unknown.
    """

    DTYPES: ClassVar[dict[str, str]] = {
        "t_start": "i8",
        "t_end": "i8",
        "antenna": "u1",
        "power_dbm": "f4",
        "session": "u1",
        "rounds": "u4",
    }

    t_start: Int64
    t_end: Int64
    antenna: UInt8
    power_dbm: Float32
    session: UInt8
    rounds: UInt32

    def select(self, rows: Rows) -> Activity:
        """Return the spans of a boolean mask, of indices or of a slice."""
        return Activity(**{name: values[rows] for name, values in self.columns()})

    @classmethod
    def empty(cls) -> Activity:
        """No spans."""
        return cls(**{name: np.empty(0, dtype) for name, dtype in cls.DTYPES.items()})


@dataclass(frozen=True, slots=True, eq=False)
class Events(ColumnSet):
    """
    What happened on the way (reader gone, aisle blocked, clock stepped ...).

    Attributes
    ----------
    t : int64 (n,)
        Nanoseconds UTC.
    source, kind, detail : object (n,) of str
        Who says so, what it is (one word), and the rest in words.
    """

    DTYPES: ClassVar[dict[str, str]] = {"t": "i8", "source": "O", "kind": "O", "detail": "O"}

    t: Int64
    source: Strings
    kind: Strings
    detail: Strings

    def select(self, rows: Rows) -> Events:
        """Return the events of a boolean mask, of indices or of a slice."""
        return Events(**{name: values[rows] for name, values in self.columns()})

    @classmethod
    def empty(cls) -> Events:
        """No events."""
        return cls(**{name: np.empty(0, dtype) for name, dtype in cls.DTYPES.items()})


@dataclass(frozen=True, slots=True, eq=False)
class Truth(ColumnSet):
    """
    Where each tag really is, simulated or surveyed.

    Attributes
    ----------
    epc : object (n,) of str
        Upper-case hexadecimal, each once.
    x_m, y_m, z_m : float64 (n,)
        Place in the map frame.
    shelf_id, face : object (n,), optional
        The plan's shelf and face; None where unknown.
    offset_m : float64 (n,), optional
        Offset from the face's origin; NaN where unknown.
    present : bool (n,), optional
        False for a tag that is not there at all.
    """

    DTYPES: ClassVar[dict[str, str]] = {
        "epc": "O",
        "x_m": "f8",
        "y_m": "f8",
        "z_m": "f8",
        "shelf_id": "O",
        "offset_m": "f8",
        "present": "?",
        "face": "O",
    }
    OPTIONAL: ClassVar[tuple[str, ...]] = ("shelf_id", "offset_m", "present", "face")

    epc: Strings
    x_m: Float64
    y_m: Float64
    z_m: Float64
    shelf_id: Strings | None = None
    offset_m: Float64 | None = None
    present: Bool | None = None
    face: Strings | None = None

    def select(self, rows: Rows) -> Truth:
        """Return the tags of a boolean mask, of indices or of a slice."""
        return Truth(**{name: values[rows] for name, values in self.columns()})


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """
    Everything one scan heard.

    Attributes
    ----------
    info : RunInfo
        The run and the robot's antennas.
    readings, poses : Readings, Poses
        By time.
    activity, events, truth : optional
        Where the folder has them.
    path, plan_path, holdings_path : Path, optional
        The folder, its ``plan.json`` and its ``holdings.csv``, where there are any.
    notes : tuple of str
        What was forgiven, one sentence each.
    not_scanned : tuple of (int, int)
        Spans in nanoseconds UTC, end exclusive, left out because over 5 % of a minute's rows were spoiled.
    odometry, sightings : pyarrow.Table, optional
        What the poses were made from; column `t` is checked, all others are kept as they are.
    tag_memories : TagMemories, optional
        What was read of tags beside their numbers, where the folder has it.
    """

    info: RunInfo
    readings: Readings
    poses: Poses
    activity: Activity | None = None
    events: Events | None = None
    truth: Truth | None = None
    path: Path | None = None
    plan_path: Path | None = None
    holdings_path: Path | None = None
    notes: tuple[str, ...] = ()
    not_scanned: tuple[tuple[int, int], ...] = ()
    odometry: ArrowTable | None = None
    sightings: ArrowTable | None = None
    tag_memories: TagMemories | None = None
