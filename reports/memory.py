"""What nights have taught of each copy's tag: whether it is likely there, how well it is heard, what was doubted.

One night's silence says little: the tag may be weak, its book on a reading table, its chip dead. Memory keeps, a row
a copy, what makes *missing* a probability over several nights (`reports.silence`) and lets two nights of doubt make
an accusation (`reports.former`). It is a table: it can be written as Parquet, and a night gives the next one.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recording.files import replacing
from reports.copy_rows import rows_of
from reports.known_tags import PAIRS, KnownTags, Remembered

Texts = npt.NDArray[np.object_]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

MEMORY_FORMAT = "nightstack-memory/2"
_FORMER_FORMAT = "nightstack-memory/1"
"""Read, too: what it says of tags; its `wrong` was no belief but a part of one."""

HERE, DEAD, AWAY, GONE = range(4)
"""Columns of `Memory.states`."""

_BLOCK = 100_000
_TEXT, _SHARE, _TIME = pa.string(), pa.float32(), pa.int64()
_TYPES: dict[str, Any] = {
    "barcode": _TEXT,
    "epc": _TEXT,
    "at": _TIME,
    "p_here": _SHARE,
    "p_dead": _SHARE,
    "p_away": _SHARE,
    "p_gone": _SHARE,
    "heard": _SHARE,
    "missed": _SHARE,
    "away": _SHARE,
    "returns": _SHARE,
    "watched": _SHARE,
    "silent": _SHARE,
    "strength": _SHARE,
    "heard_at": _TIME,
    "heard_shelf": _TEXT,
    "heard_m": _SHARE,
    "wrong": _SHARE,
    "wrong_home": _TEXT,
    "told": _SHARE,
}

COLUMNS: Final = tuple(_TYPES)
"""The columns of `Memory`, a row a copy; its `tags` are a table of their own."""
_TAGS: Final = "tags"
"""The column that a file has where copies' tags are known; the format's version is the same with it and without."""


class MemoryFileError(ValueError):
    """A memory file that cannot be used: what is wrong, what to do."""


@dataclass(frozen=True)
class Memory:
    """The nights' word on every copy that has been due or heard; all columns have one length ``n``.

    Attributes
    ----------
    barcode, epc : object array of str, shape (n,)
        The copy and its tag: a copy with a new tag starts anew.
    at : int64 array, shape (n,)
        The last night that said something of it, ns UTC.
    p_here, p_dead, p_away, p_gone : float32 array, shape (n,)
        After that night: it is on its shelf and can be heard; it is there and its tag is dead, shielded or none; it is
        in use in the house for a day or so; it is gone. They sum to 1.
    heard : float32 array, shape (n,)
        Nights on which it was heard.
    missed : float32 array, shape (n,)
        Nights on which it was silent although, as it turned out later, it most likely was there; fractions of nights.
    away, returns : float32 array, shape (n,)
        Days of its absences that have ended, and how many these were; each counted by the chance that it was in use
        in the house and not only unheard, or lost and found.
    watched : float32 array, shape (n,)
        Days between the nights that looked at it.
    silent : float32 array, shape (n,)
        Nights of silence in a row, on scanned shelves, up to `at`.
    strength : float32 array, shape (n,)
        Mean logarithm of its readings over its neighbours' (0: as loud as they; NaN: never heard).
    heard_at : int64 array, shape (n,)
        When it was last heard, ns UTC; 0: never.
    heard_shelf : object array of str, shape (n,)
        Where it was last heard; empty: never, or without a place.
    heard_m : float32 array, shape (n,)
        At which offset along the face; NaN: none.
    wrong : float32 array, shape (n,)
        Log-odds that it stands wrong where it was last heard, all nights together; 0 without a place.
    wrong_home : object array of str, shape (n,)
        The home that this was about, by the record of that night; empty: none. A record that names another one now has
        made another question of it.
    told : float32 array, shape (n,)
        Log-likelihood ratio, wrong against right, of the strongest night of those that spoke alike of that place.
    tags : KnownTags
        HF tags that copies were read to carry, with rows of this table; what they said of security is not kept.
    """

    barcode: Texts
    epc: Texts
    at: Ints
    p_here: Singles
    p_dead: Singles
    p_away: Singles
    p_gone: Singles
    heard: Singles
    missed: Singles
    away: Singles
    returns: Singles
    watched: Singles
    silent: Singles
    strength: Singles
    heard_at: Ints
    heard_shelf: Texts
    heard_m: Singles
    wrong: Singles
    wrong_home: Texts
    told: Singles
    tags: KnownTags = field(default_factory=KnownTags.none)

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in COLUMNS}
        if len(set(lengths.values())) > 1:
            raise MemoryFileError(f"memory: columns differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.barcode)

    @property
    def remembered(self) -> Remembered:
        """What nights say of HF tags."""
        return Remembered(self.tags, self.barcode, self.epc)

    @property
    def states(self) -> npt.NDArray[np.float64]:
        """The four chances as one array, shape (n, 4), in the order HERE, DEAD, AWAY, GONE."""
        return np.stack([self.p_here, self.p_dead, self.p_away, self.p_gone], axis=1).astype(np.float64)

    @classmethod
    def empty(cls) -> Memory:
        """Return a memory of no night."""
        columns: dict[str, Any] = {name: _blank(kind) for name, kind in _TYPES.items()}
        return cls(**columns)

    def select(self, index: npt.ArrayLike) -> Memory:
        """Return the rows of a mask, shape (rows,), or of indices, each at most once, in that order."""
        rows = np.asarray(index)
        tags = self.tags
        if len(tags):
            new = np.full(len(self), -1, np.int64)
            kept = np.flatnonzero(rows) if rows.dtype == bool else rows
            new[kept] = np.arange(len(kept))
            tags = tags.renumbered(new)
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in COLUMNS}
        return replace(self, **columns, tags=tags)

    def sharing(self, barcode: Texts, epc: Texts) -> Memory:
        """Return the same memory with the holdings' own strings for its copies: they are not held twice."""
        same = len(self) == len(barcode) and bool(np.all(self.barcode == barcode))
        if same and bool(np.all(self.epc == epc)):
            return replace(self, barcode=barcode, epc=epc)
        return replace(self, barcode=_shared(self.barcode, barcode), epc=_shared(self.epc, epc))

    def without(self, barcode: Texts, epc: Texts, *, before: datetime) -> Memory:
        """Return the memory without copies that nights said nothing of since a time and the catalogue does not name.

        Parameters
        ----------
        barcode, epc : object array of str, shape (m,)
            The catalogue's copies with their tags: these stay, however long nobody looked.
        before : datetime
            What left the catalogue a while ago may come back, and a catalogue may be a part of the whole.
        """
        old = self.at < int(before.timestamp()) * 1_000_000_000
        if not old.any():
            return self
        at = np.flatnonzero(old)
        asked = {pair: i for i, pair in enumerate(zip(self.barcode[at], self.epc[at], strict=True))}
        there = [i for pair in zip(barcode, epc, strict=True) if (i := asked.get(pair)) is not None]
        old[at[there]] = False
        return self.select(~old) if old.any() else self

    def rows_of(self, barcode: Texts, epc: Texts) -> Ints:
        """Return the row of each copy, shape (m,); -1 where nothing is known of that copy with that tag."""
        return rows_of((self.barcode, self.epc), (barcode, epc))

    def to_bytes(self) -> bytes:
        """Return the table as a Parquet file's bytes."""
        out = io.BytesIO()
        self._write(out)
        return out.getvalue()

    def _write(self, out: Any) -> None:
        metadata = {"format": MEMORY_FORMAT, "maker": "nightstack reports"}
        tags = self.tags.by_copy()
        kinds = [*_TYPES.items(), *([(_TAGS, PAIRS)] if len(tags) else [])]
        schema = pa.schema(kinds, metadata=metadata)
        with pq.ParquetWriter(out, schema, compression="zstd") as file:
            # Block by block: a table of millions is not held twice.
            for first in range(0, max(len(self), 1), _BLOCK):
                rows = slice(first, min(first + _BLOCK, len(self)))
                arrays = [pa.array(getattr(self, name)[rows], kind) for name, kind in _TYPES.items()]
                arrays += [tags.column(rows.start, rows.stop)] if len(tags) else []
                file.write_table(pa.Table.from_arrays(arrays, schema=schema))

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "memory") -> Memory:
        """Return what `to_bytes` was called on; raises MemoryFileError in one line."""
        try:
            table = pq.read_table(pa.BufferReader(data))
        except (pa.ArrowInvalid, OSError) as error:
            raise MemoryFileError(
                f"{source}: no readable Parquet ({error}); remove it to begin a new memory"
            ) from None
        said = (table.schema.metadata or {}).get(b"format", b"").decode("utf-8", "replace")
        if said == _FORMER_FORMAT:
            table = _from_former(table)
        elif said != MEMORY_FORMAT:
            raise MemoryFileError(
                f"{source}: format is {said!r}, this reads {MEMORY_FORMAT!r}; begin a new one"
            )
        missing = [name for name in _TYPES if name not in table.column_names]
        if missing:
            raise MemoryFileError(f"{source}: column {missing[0]!r} is missing; begin a new memory")
        columns = {name: _column(table.column(name), kind) for name, kind in _TYPES.items()}
        tags = KnownTags.none()
        if _TAGS in table.column_names:
            try:
                tags = KnownTags.from_column(table.column(_TAGS))
            except ValueError as error:
                raise MemoryFileError(
                    f"{source}: column {_TAGS!r} cannot be read ({error}); begin a new memory"
                ) from None
        del table
        pa.default_memory_pool().release_unused()  # a table of millions is not held twice
        return cls(**columns, tags=tags)

    def to_parquet(self, path: str | Path) -> Path:
        """Write the table; the file appears whole or not at all."""
        path = Path(path)
        with replacing(path) as partial:
            self._write(partial)
        return path

    @classmethod
    def read(cls, path: str | Path) -> Memory:
        """Read the table, an empty one where there is no file yet; raises MemoryFileError in one line."""
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError:
            return cls.empty()
        except OSError as error:
            raise MemoryFileError(f"{path}: cannot be read ({error.strerror or error})") from None
        return cls.from_bytes(data, str(path))


def _from_former(table: Any) -> Any:
    """Return a table of the former format in this one: what it believed of places is forgotten."""
    if "wrong" not in table.column_names:
        return table
    nought = pa.array(np.zeros(len(table), np.float32))
    table = table.set_column(table.column_names.index("wrong"), "wrong", nought)
    for name in ("away", "returns", "watched", "told"):
        table = table.append_column(name, nought)
    return table.append_column("wrong_home", pa.array([""] * len(table), _TEXT))


def _shared(mine: Texts, theirs: Texts) -> Texts:
    own = {text: text for text in theirs.tolist()}
    out = np.empty(len(mine), object)
    out[:] = [own.get(text, text) for text in mine.tolist()]
    return out


def _blank(kind: Any) -> npt.NDArray[Any]:
    if kind == _TEXT:
        return np.empty(0, object)
    return np.zeros(0, np.float32) if kind == _SHARE else np.zeros(0, np.int64)


def _column(column: Any, kind: Any) -> npt.NDArray[Any]:
    if kind == _TEXT:
        coded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
        # Shelves' names recur: one string each.
        names = np.array([*coded.dictionary.to_pylist(), ""], object)
        return names[coded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)]
    wanted = np.float32 if kind == _SHARE else np.int64
    return column.to_numpy().astype(wanted, copy=True)
