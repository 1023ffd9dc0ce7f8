"""Tag readings as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recording.columns import ColumnSet, Float32, Int64, Rows, Strings, UInt8, UInt32, same_bits

LEAST_RSSI_DBM, MOST_RSSI_DBM = -120.0, 0.0
"""Weaker or stronger than so nothing is heard: recordings leave such readings out."""

NO_TIME = np.iinfo(np.int64).min
"""What stands in `reader_t` where the reader gave no stamp of its own (Arrow's and numpy's NaT)."""


@dataclass(frozen=True, slots=True, eq=False)
class Readings(ColumnSet):
    """
    Reports of tags by antennas, one array element a report.

    Attributes
    ----------
    t : int64 (n,)
        Nanoseconds since 1970-01-01 UTC.
    tag : uint32 (n,)
        Index into `tags`.
    tags : tuple of str
        EPC (UHF) or UID (HF) of each tag, upper-case hexadecimal, each once.
    antenna : uint8 (n,)
        Mount id (in a driver: the reader's port).
    frequency_khz : uint32 (n,)
        Carrier frequency of the channel.
    rssi_dbm : float32 (n,)
        Received signal strength.
    phase_rad : float32 (n,)
        Phase in [0, 2 pi), growing with distance; NaN where the reader has none.
    seen_count : uint32 (n,), optional
        Reads that one row stands for.
    doppler_hz : float32 (n,), optional
        The reader's own Doppler estimate; NaN where it has none.
    reader_t : int64 (n,), optional
        The reader's own clock, nanoseconds; `NO_TIME` where it gave none.

    Raises
    ------
    ValueError
        If columns differ in length, do not fit their type, or a tag index points past `tags`.
    """

    DTYPES: ClassVar[dict[str, str]] = {
        "t": "i8",
        "tag": "u4",
        "antenna": "u1",
        "frequency_khz": "u4",
        "rssi_dbm": "f4",
        "phase_rad": "f4",
        "seen_count": "u4",
        "doppler_hz": "f4",
        "reader_t": "i8",
    }
    OPTIONAL: ClassVar[tuple[str, ...]] = ("seen_count", "doppler_hz", "reader_t")

    t: Int64
    tag: UInt32
    tags: tuple[str, ...]
    antenna: UInt8
    frequency_khz: UInt32
    rssi_dbm: Float32
    phase_rad: Float32
    seen_count: UInt32 | None = None
    doppler_hz: Float32 | None = None
    reader_t: Int64 | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", tuple(self.tags))
        ColumnSet.__post_init__(self)
        if len(self) and int(self.tag.max()) >= len(self.tags):
            raise ValueError(f"tag index {int(self.tag.max())} points past the {len(self.tags)} tags")

    @property
    def epc(self) -> Strings:
        """EPC or UID of each reading, object array of str, shape (n,)."""
        names = np.empty(len(self.tags), dtype=object)
        names[:] = self.tags
        return names[self.tag]

    def select(self, rows: Rows) -> Readings:
        """Return the readings of a boolean mask, of indices or of a slice; `tags` stays whole."""
        return Readings(tags=self.tags, **{name: values[rows] for name, values in self.columns()})

    def sorted(self) -> Readings:
        """Return the same readings by time; readings of one time keep their order."""
        if np.all(self.t[1:] >= self.t[:-1]):
            return self
        return self.select(np.argsort(self.t, kind="stable"))

    def compact(self) -> Readings:
        """Return the same readings with those of `tags` only that are heard in them, in the same order."""
        heard = np.zeros(len(self.tags), dtype=np.bool_)
        heard[self.tag] = True
        number = int(np.count_nonzero(heard))
        if number == len(heard):
            return self
        columns = dict(self.columns())
        if heard[:number].all():
            # Those not heard stand behind: the others keep their numbers.
            return Readings(tags=self.tags[:number], **columns)
        columns["tag"] = (np.cumsum(heard) - 1).astype(np.uint32)[self.tag]
        tags = tuple(name for name, there in zip(self.tags, heard.tolist(), strict=True) if there)
        return Readings(tags=tags, **columns)

    def same_as(self, other: object) -> bool:
        """Whether both hold the same rows, bit for bit, whatever the order of their `tags`."""
        if not isinstance(other, Readings) or len(self) != len(other):
            return False
        if not all(
            same_bits(getattr(self, f.name), getattr(other, f.name))
            for f in fields(self)
            if f.name not in ("tag", "tags")
        ):
            return False
        return bool(np.all(self.epc == other.epc)) if len(self) else True

    @classmethod
    def empty(cls) -> Readings:
        """No readings."""
        return cls(
            t=np.empty(0, np.int64),
            tag=np.empty(0, np.uint32),
            tags=(),
            antenna=np.empty(0, np.uint8),
            frequency_khz=np.empty(0, np.uint32),
            rssi_dbm=np.empty(0, np.float32),
            phase_rad=np.empty(0, np.float32),
        )

    @classmethod
    def concat(cls, parts: Sequence[Readings]) -> Readings:
        """
        Return readings of several parts, one after the other, over one common list of tags.

        An optional column that only some parts have is filled up with "not known" (`seen_count` 1,
        `doppler_hz` NaN, `reader_t` `NO_TIME`).
        """
        parts = [part for part in parts if len(part) or part.tags]
        if not parts:
            return cls.empty()
        if len(parts) == 1:
            return parts[0]
        index: dict[str, int] = {}
        tag: list[UInt32] = []
        for part in parts:
            new = np.fromiter(
                (index.setdefault(name, len(index)) for name in part.tags), np.uint32, len(part.tags)
            )
            tag.append(new[part.tag] if len(part) else np.empty(0, np.uint32))
        joined: dict[str, npt.NDArray[Any]] = {"tag": np.concatenate(tag)}
        filler: dict[str, float] = {"seen_count": 1, "doppler_hz": np.nan, "reader_t": NO_TIME}
        for name, dtype in cls.DTYPES.items():
            columns = [getattr(part, name) for part in parts]
            if name == "tag" or all(column is None for column in columns):
                continue
            joined[name] = np.concatenate(
                [
                    np.full(len(part), filler[name], np.dtype(dtype)) if column is None else column
                    for part, column in zip(parts, columns, strict=True)
                ]
            )
        return cls(tags=tuple(index), **joined)

    @classmethod
    def from_epc(cls, epc: Sequence[str] | Strings, **columns: Any) -> Readings:
        """
        Return readings from one EPC or UID a row and the other columns by name.

        Tags are numbered in the order in which they first appear and written in upper case.
        """
        index: dict[str, int] = {}
        tag = np.fromiter((index.setdefault(e.upper(), len(index)) for e in epc), np.uint32, len(epc))
        return cls(tag=tag, tags=tuple(index), **columns)
