"""A recording too long for memory: all but its readings at once, the readings piece by piece.

What is forgiven is forgiven as ``read_recording`` does, and what comes out is the same; where that asks for the whole
file at once (spoiled minutes, a broken antenna, rows out of order between pieces), ``StreamError`` says so, and the
recording is to be read whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recording import tables
from recording.errors import RecordingError
from recording.folder import read_but_readings
from recording.readings import Readings
from recording.records import Recording
from recording.scan_files import cleaned_readings
from recording.tables import ParquetTable


class StreamError(RecordingError):
    """A recording that cannot be cleaned piece by piece; it can be read whole."""


class RecordingStream:
    """A recording folder whose readings come in pieces, by time.

    Parameters
    ----------
    path : path
        The folder.

    Attributes
    ----------
    recording : Recording
        Everything but the readings; ``notes`` do not tell of those.
    rows : int
        Rows of ``readings.parquet``.
    notes : list of str
        What was forgiven in the pieces read so far.

    Raises
    ------
    RecordingError
        If the folder's structure is wrong.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recording: Recording = read_but_readings(self.path)
        try:
            self._table = ParquetTable(self.path / "readings.parquet", tables.READINGS)
        except RecordingError as e:
            raise RecordingError(f"{self.path}/{e}") from None
        self.rows = self._table.rows
        self.notes: list[str] = []

    @staticmethod
    def rows_of(path: str | Path) -> int:
        """Return the rows of a folder's ``readings.parquet``; 0 where it cannot be read, which reading it will say."""
        try:
            return int(pq.read_metadata(Path(path) / "readings.parquet").num_rows)
        except (OSError, pa.ArrowException, ValueError):
            return 0

    def readings(self, most_rows: int) -> Iterator[Readings]:
        """
        Yield the readings in pieces of so many rows or one row group.

        Raises
        ------
        StreamError
            If the pieces cannot be judged each by itself.
        RecordingError
            If the file is wrong.
        """
        if self.recording.not_scanned:
            raise StreamError(
                f"{self.path}: a part of poses.parquet is spoiled; the recording must be read whole"
            )
        mounts = {mount.id for mount in self.recording.info.antennas}
        last: Readings | None = None
        for table in self._table.parts(most_rows):
            notes: list[str] = []
            try:
                piece, bad_minutes, broken = cleaned_readings(table, mounts, notes)
            except RecordingError as e:
                raise RecordingError(f"{self.path}/{e}") from None
            if len(bad_minutes) or broken:
                raise StreamError(
                    f"{self.path}: a part of readings.parquet is spoiled; it must be read whole"
                )
            self.notes += notes
            if not len(piece):
                continue
            if last is not None and _overlap(last, piece):
                raise StreamError(f"{self.path}: readings.parquet is out of order; it must be read whole")
            yield piece
            last = piece.select(piece.t == piece.t[-1])


def _overlap(last: Readings, piece: Readings) -> bool:
    """Tell whether a piece begins before the last one ended, or repeats one of its rows."""
    if piece.t[0] != last.t[-1]:
        return bool(piece.t[0] < last.t[-1])
    head = piece.select(piece.t == piece.t[0])
    both = Readings.concat([last, head])
    columns = [values for name, values in both.columns() if name != "tags"]
    rows = {tuple(str(column[i]) for column in columns) for i in range(len(both))}
    return len(rows) < len(both)
