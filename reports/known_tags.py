"""Which HF tags copies were read to carry: what makes a tag known of which only the number was heard tonight.

A reader reads the memory of a tag once, and of a share of the tags in any one night. What a tag said then is kept as
a pair of its UID and a copy, and is known on the nights after. Columns of a row for each pair: a library whose copies
have no such tags pays nothing for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from reports.copy_rows import rows_of
from stacks.tag_data.keys import uids_of

Texts = npt.NDArray[np.object_]
Ints = npt.NDArray[np.int64]
Uids = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

_MOST_PARTS: Final = 0x7FFF
_PAIR: Final = {
    "uid": pa.uint64(),
    "at": pa.int64(),
    "owner": pa.string(),
    "part": pa.int16(),
    "parts": pa.int16(),
}
PAIRS: Final = pa.list_(pa.struct(list(_PAIR.items())))
"""The Parquet column: the tags of each copy."""


@dataclass(frozen=True)
class KnownTags:
    """Pairs of a tag and a copy, at most one for each tag; all columns have one length ``k``.

    Attributes
    ----------
    uid : uint64 array, shape (k,)
        The tag's number (ISO 15693), ascending.
    row : int64 array, shape (k,)
        The copy's row in the table these belong to.
    at : int64 array, shape (k,)
        The last night that read this of it, ns UTC.
    owner : object array of str, shape (k,)
        The library that it named; empty: none.
    part, parts : int16 array, shape (k,)
        Which part of how many of its item it is; 0: it did not say.
    """

    uid: Uids
    row: Ints
    at: Ints
    owner: Texts
    part: npt.NDArray[np.int16]
    parts: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.uid)

    @classmethod
    def none(cls) -> KnownTags:
        """Return no pairs."""
        none, of = np.zeros(0, np.int64), np.zeros(0, np.int16)
        return cls(none.astype(np.uint64), none, none, np.empty(0, object), of, of)

    @classmethod
    def of(cls, uid: Uids, row: Ints, owner: Texts, part: Ints, parts: Ints) -> KnownTags:
        """Return pairs of different tags in any order; their time is not set."""
        order = np.argsort(uid, kind="stable")
        of, out_of = (np.clip(of[order], 0, _MOST_PARTS).astype(np.int16) for of in (part, parts))
        return cls(uid[order], row[order], np.zeros(len(uid), np.int64), owner[order], of, out_of)

    @property
    def place(self) -> Ints:
        """A number for each copy and part: where several tags have one, they are twins or follow each other."""
        return (self.row << 16) | self.part

    def select(self, index: npt.NDArray[Any]) -> KnownTags:
        """Return the pairs of a mask, or of ascending indices."""
        return KnownTags(*(getattr(self, f.name)[index] for f in fields(self)))

    def renumbered(self, new: Ints) -> KnownTags:
        """Return the pairs with the copies' new rows, shape (rows before,); those of -1 are left out."""
        if not len(self):
            return self
        row = new[self.row]
        return replace(self, row=row).select(row >= 0)

    def joined(self, other: KnownTags) -> KnownTags:
        """Return the pairs of both, which have no tag in common."""
        if not len(self) or not len(other):
            return self if len(self) else other
        both = KnownTags(
            *(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self))
        )
        return both.select(np.argsort(both.uid, kind="stable"))

    def find(self, uid: Uids) -> Ints:
        """Return the index of each tag's pair, -1 where there is none."""
        if not len(self):
            return np.full(len(uid), -1, np.int64)
        at = np.minimum(np.searchsorted(self.uid, uid), len(self) - 1)
        return np.where(self.uid[at] == uid, at, -1).astype(np.int64)

    def by_copy(self) -> KnownTags:
        """Return the pairs in the order of their copies, as `column` wants them."""
        return self.select(np.lexsort((self.uid, self.row)))

    def column(self, first: int, last: int) -> Any:
        """Return the Parquet column (`PAIRS`) of the copies from row `first` to before `last`."""
        offsets = np.searchsorted(self.row, np.arange(first, last + 1))
        mine = self.select(np.arange(offsets[0], offsets[-1]))
        columns = [pa.array(getattr(mine, name), kind) for name, kind in _PAIR.items()]
        pairs = pa.StructArray.from_arrays(columns, fields=list(PAIRS.value_type))
        return pa.ListArray.from_arrays(pa.array(offsets - offsets[0], pa.int32()), pairs)

    @classmethod
    def from_column(cls, column: Any) -> KnownTags:
        """Read the Parquet column; raises ValueError where it is none."""
        try:
            lists = column.combine_chunks()
            lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
            row = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
            pairs = lists.flatten()
            made = {name: pairs.field(name).cast(kind) for name, kind in _PAIR.items()}
        except (pa.ArrowException, AttributeError, KeyError, TypeError) as error:
            raise ValueError(" ".join(str(error).split())) from None
        owner = made.pop("owner").dictionary_encode()
        names = np.array([*owner.dictionary.to_pylist(), ""], object)  # a library's name recurs: one string
        owners = names[owner.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)]
        number = {name: of.fill_null(0).to_numpy(zero_copy_only=False) for name, of in made.items()}
        read = cls(row=row, owner=owners, **number)
        # One pair a tag, whoever wrote the file: the newest.
        order = np.lexsort((read.at, read.uid))
        uid = read.uid[order]
        last = np.append(uid[1:] != uid[:-1], True)[: len(uid)] & (uid > 0)
        return read.select(order[last])

    def after(self, tonight: KnownTags, refuted: Uids) -> KnownTags:
        """Return the pairs after a night.

        Parameters
        ----------
        tonight : KnownTags
            What was read tonight, with rows of the same table.
        refuted : uint64 array
            Tags that were read tonight and did not say what they said before.
        """
        if not len(tonight) and not len(refuted):
            return self
        kept = ~np.isin(self.uid, refuted) & ~np.isin(self.uid, tonight.uid)
        kept &= ~self.displaced(tonight)
        return self.select(kept).joined(tonight)

    def displaced(self, tonight: KnownTags) -> Bools:
        """Return whose place another tag has got tonight, shape (k,): these are the tags of their copies no longer."""
        return np.isin(self.place, tonight.place[self._news(tonight)])

    def _news(self, tonight: KnownTags) -> Bools:
        """Return which of the pairs read tonight were not known before, shape (k of tonight,)."""
        at = self.find(tonight.uid)
        return (at < 0) | (self.row[at] != tonight.row) if len(self) else np.ones(len(tonight), bool)


@dataclass(frozen=True)
class Remembered:
    """What former nights say of tags.

    Attributes
    ----------
    tags : KnownTags
        With rows of `barcode` and `epc`.
    barcode, epc : object array of str, shape (n,)
        The copies, and the tag numbers that their records had then.
    """

    tags: KnownTags
    barcode: Texts
    epc: Texts

    def __len__(self) -> int:
        return len(self.tags)

    def rows_in(self, barcode: Texts, epc: Texts) -> Ints:
        """Return each pair's copy in a catalogue, shape (k,); -1: none, with that tag number, or several."""
        row = rows_of((self.barcode, self.epc), (barcode, epc))
        copy = np.flatnonzero(row >= 0)
        found = np.full(len(self.barcode), -1, np.int64)
        found[row[copy]] = copy
        names = barcode.tolist()
        if len(set(names)) < len(names):
            _, which, times = np.unique(barcode, return_inverse=True, return_counts=True)
            found[row[copy[times[which[copy]] > 1]]] = -1
        return found[self.tags.row]

    def names(self, epcs: Iterable[str]) -> tuple[list[str], list[str]]:
        """Return the barcodes of some tags, and the tags, of those that are known."""
        tags = list(epcs)
        at = self.tags.find(uids_of(tags))
        found = np.flatnonzero(at >= 0).tolist()
        return self.barcode[self.tags.row[at[found]]].tolist(), [tags[i] for i in found]

    def to_bytes(self) -> bytes:
        """Return it as the bytes of an Arrow file."""
        which, row = np.unique(self.tags.row, return_inverse=True)
        tags = replace(self.tags, row=row.astype(np.int64)).by_copy()
        names = ["barcode", "epc", "tags"]
        columns = [pa.array(self.barcode[which], pa.string()), pa.array(self.epc[which], pa.string())]
        table = pa.table([*columns, tags.column(0, len(which))], names)
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(sink, table.schema, options=options) as out:
            out.write_table(table)
        return sink.getvalue().to_pybytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Remembered:
        """Read it back; raises ValueError."""
        try:
            table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
            barcode, epc = (table.column(name).to_numpy() for name in ("barcode", "epc"))
            return cls(KnownTags.from_column(table.column("tags")), barcode, epc)
        except (pa.ArrowException, KeyError) as error:
            raise ValueError(f"known tags: {' '.join(str(error).split())}") from None


def in_capitals(epc: object) -> str:
    """Return a tag's number in capitals, the very string where it has them: a million are not held twice."""
    text = str(epc)
    return text if text.isupper() else text.upper()
