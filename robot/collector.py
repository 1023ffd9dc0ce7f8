"""The collector: rows from every thread come together here and leave as batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np

from recording import Activity, Events, Poses, Readings, TagMemories
from robot.spool import Columns

_MOST_PENDING: Final = 200
_MOST_EVENTS: Final = 10_000
_MOST_TEXT: Final = 2000

Rows = TypeVar("Rows", Activity, TagMemories)
PoseRow = tuple[int, float, float, float, float, float]
EventRow = tuple[int, str, str, str]


@dataclass(slots=True)
class _Pending:
    poses: list[PoseRow] = field(default_factory=list[PoseRow])
    readings: list[Readings] = field(default_factory=list[Readings])
    rows: int = 0
    events: list[EventRow] = field(default_factory=list[EventRow])
    activity: list[Activity] = field(default_factory=list[Activity])
    tags: list[TagMemories] = field(default_factory=list[TagMemories])


class Collector:
    """Gathers poses, readings, events, activity and tags' memories until `take` is called.

    Parameters
    ----------
    batch_rows
        Rows from which `ready` is set, and most rows of one batch.
    floor_id
        The floor every pose is on; None leaves the column out.
    """

    def __init__(self, batch_rows: int, floor_id: str | None = None) -> None:
        self.ready = threading.Event()
        """Set when a full batch waits."""
        self.readings_heard = 0
        self.dropped_readings = 0
        """Readings among `dropped_rows`."""
        self.dropped_rows = 0
        """Rows of any kind that were thrown away."""
        self._batch_rows = batch_rows
        self._floor_id = floor_id
        self._lock = threading.Lock()
        self._taken = threading.Condition(self._lock)
        self._pending = _Pending()
        self._discarding = False
        self._last_pose_t = -1

    def discard(self, on: bool) -> None:
        """While on, readings, poses and activity are counted and thrown away: the spool takes no more of them."""
        with self._lock:
            self._discarding = on
            self._taken.notify_all()

    def add_pose(self, row: PoseRow) -> bool:
        """Add a pose (t, x, y, yaw, sigma_xy, sigma_yaw); False, and nothing added, where its time does not advance."""
        with self._lock:
            if row[0] <= self._last_pose_t:
                return False
            self._last_pose_t = row[0]
            if self._discarding:
                self.dropped_rows += 1
                return True
            self._pending.poses.append(row)
            if len(self._pending.poses) >= self._batch_rows:
                self.ready.set()
        return True

    def add_readings(self, readings: Readings) -> None:
        """Add readings, their antenna being the mount id; waits while far too many are pending."""
        if not len(readings):
            return
        with self._lock:
            self.readings_heard += len(readings)
            until = time.monotonic() + 30.0
            while self._pending.rows > _MOST_PENDING * self._batch_rows and not self._discarding:
                if not self._taken.wait(until - time.monotonic()):
                    break
            if self._discarding:
                self.dropped_rows += len(readings)
                self.dropped_readings += len(readings)
                return
            self._pending.readings.append(readings)
            self._pending.rows += len(readings)
            if self._pending.rows >= self._batch_rows:
                self.ready.set()

    def add_activity(self, activity: Activity) -> None:
        """Add spans in which antennas listened, by mount id."""
        with self._lock:
            if self._discarding:
                self.dropped_rows += len(activity)
            elif len(activity):
                self._pending.activity.append(activity)

    def add_tags(self, tags: TagMemories) -> None:
        """Add what was read of tags beside their number, by mount id."""
        with self._lock:
            if self._discarding:
                self.dropped_rows += len(tags)
            elif len(tags):
                self._pending.tags.append(tags)

    def add_event(self, t: int, source: str, kind: str, detail: str) -> None:
        """Add an event; beyond ten thousand that nobody took, further ones are lost."""
        row = (t, _plain(source), _plain(kind), _plain(detail))
        with self._lock:
            if len(self._pending.events) < _MOST_EVENTS:
                self._pending.events.append(row)

    def take(self) -> list[tuple[str, Columns]]:
        """Return everything gathered since the last call as batches of at most `batch_rows` rows, and forget it."""
        with self._lock:
            pending, self._pending = self._pending, _Pending()
            self.ready.clear()
            self._taken.notify_all()
        most = self._batch_rows
        parts: list[tuple[str, Columns]] = []
        events = _events(pending.events)
        parts += [("events", events.select(rows)) for rows in _slices(len(events), most)]
        poses = self._poses(pending.poses)
        parts += [("poses", poses.select(rows)) for rows in _slices(len(poses), most)]
        readings = Readings.concat(pending.readings)
        parts += [("readings", only_own_tags(readings.select(rows))) for rows in _slices(len(readings), most)]
        activity = join_columns(pending.activity, Activity)
        parts += [("activity", activity.select(rows)) for rows in _slices(len(activity), most)]
        tags = join_columns(pending.tags, TagMemories)
        parts += [("tags", tags.select(rows)) for rows in _slices(len(tags), most)]
        return parts

    def _poses(self, rows: Sequence[PoseRow]) -> Poses:
        t = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        values = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 5)
        floor = None
        if self._floor_id is not None:
            floor = np.empty(len(rows), dtype=object)
            floor[:] = self._floor_id
        return Poses(
            t=t,
            x_m=values[:, 0].copy(),
            y_m=values[:, 1].copy(),
            yaw_rad=values[:, 2].copy(),
            sigma_xy_m=values[:, 3].astype(np.float32),
            sigma_yaw_rad=values[:, 4].astype(np.float32),
            floor_id=floor,
        )


def only_own_tags(readings: Readings) -> Readings:
    """Return the same readings with a list of only those tags that they hold."""
    used, tag = np.unique(readings.tag, return_inverse=True)
    if len(used) == len(readings.tags):
        return readings
    columns = {name: values for name, values in readings.columns() if name != "tag"}
    return Readings(tag=tag.astype(np.uint32), tags=tuple(readings.tags[i] for i in used.tolist()), **columns)


def join_columns(parts: Sequence[Rows], kind: type[Rows]) -> Rows:
    """Return the rows of several parts, one after the other."""
    if not parts:
        return kind.empty()
    return kind(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in kind.DTYPES})


def _plain(text: str) -> str:
    # Names of files may hold half surrogates, and no event is worth a batch that cannot be sent.
    return text[:_MOST_TEXT].encode("utf-8", "replace").decode()


def _events(rows: Sequence[EventRow]) -> Events:
    columns: list[np.ndarray[tuple[int], np.dtype[np.object_]]] = []
    for i in (1, 2, 3):
        column = np.empty(len(rows), dtype=object)
        column[:] = [row[i] for row in rows]
        columns.append(column)
    return Events(np.fromiter((row[0] for row in rows), np.int64, len(rows)), *columns)


def _slices(n: int, most: int) -> list[slice]:
    return [slice(start, min(n, start + most)) for start in range(0, n, most)]
