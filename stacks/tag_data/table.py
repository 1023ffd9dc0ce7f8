"""What many tags say, as columns: a night over a million copies reads the memory of hundreds of thousands of them.

Most tags of a library differ in nothing but their item identifier. So what a tag says is the number of its *kind*, of
which there are few, and its identifier among those of all tags in one buffer; a `TagContents` is made of it when
somebody asks for one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stacks.tag_data.contents import NOTHING, TagContents
from stacks.tag_data.keys import TagKeys

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

_Own = tuple[str, Mapping[str, str], tuple[TagContents, ...]]
_Kind = tuple[Any, ...]
_NO_OWN: Final[_Own] = ("", NOTHING, ())


class TagTable(Mapping[str, TagContents]):
    """
    What each tag says, by EPC or UID in capitals; ``n`` rows, in the order in which they were given.

    Parameters
    ----------
    tags : iterable of (str, TagContents)
        Each tag once.

    Attributes
    ----------
    keys_of : TagKeys
        The tags.
    kind : int64 array, shape (n,)
        Number of its kind.
    named : bool array, shape (n,)
        It says an item identifier.
    """

    __slots__ = ("_kinds", "_length", "_own", "_start", "_text", "keys_of", "kind", "named")

    def __init__(self, tags: Iterable[tuple[str, TagContents]] = ()) -> None:
        number: dict[_Kind, int] = {}
        epcs, kinds, starts, text = list[str](), array("i"), array("q"), bytearray()
        self._kinds: list[TagContents] = []
        self._own: dict[int, _Own] = {}
        for epc, said in tags:
            if (code := number.setdefault(_kind_of(said), len(number))) == len(self._kinds):
                self._kinds.append(replace(said, item_id="", identifier="", fields=NOTHING, readings=()))
            if said.identifier or said.fields or said.readings:
                self._own[len(epcs)] = said.identifier, said.fields, said.readings
            epcs.append(epc)
            kinds.append(code)
            starts.append(len(text))
            text += said.item_id.encode("utf-8", "surrogatepass")
        self._text = bytes(text)
        self._start: Ints = np.array(starts, np.int64)
        self._length: Ints = np.diff(self._start, append=len(text))
        self.kind: Ints = np.array(kinds, np.int64)
        self.named: Bools = self._length > 0
        self.keys_of = TagKeys(epcs)

    @classmethod
    def of(cls, tags: Mapping[str, TagContents] | None) -> TagTable:
        """Return what tags say as a table: the very one, where it is one."""
        return tags if isinstance(tags, TagTable) else cls((tags or {}).items())

    def __len__(self) -> int:
        return len(self.kind)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_of)

    def __contains__(self, epc: object) -> bool:
        return self.keys_of.row(epc) >= 0

    def __getitem__(self, epc: str) -> TagContents:
        row = self.keys_of.row(epc)
        if row < 0:
            raise KeyError(epc)
        return self.at(row)

    def items(self) -> ItemsView[str, TagContents]:
        """Return the tags with what they say."""
        return _Items(self)

    def values(self) -> ValuesView[TagContents]:
        """Return what the tags say."""
        return _Values(self)

    def at(self, row: int) -> TagContents:
        """Return what the tag of a row says."""
        kind = self._kinds[self.kind[row]]
        identifier, fields, readings = self._own.get(row, _NO_OWN)
        return TagContents(
            kind.format, self._item(self._start[row], self._length[row]), kind.owner, identifier, kind.parts,
            kind.part, kind.usage, kind.security, kind.lent, kind.problem, kind.notes, fields, readings,
        )  # fmt: skip

    def rows(self, epcs: Sequence[str]) -> Ints:
        """Return each tag's row, shape (m,); -1 where nothing is known of it."""
        return self.keys_of.rows(epcs)

    def holds(self, epcs: Sequence[str], is_so: Callable[[TagContents], bool]) -> Bools:
        """Return of which of some tags something is known and so (as `where` asks it), shape (m,)."""
        rows = self.rows(epcs)
        known = rows >= 0
        known[known] = self.where(is_so)[rows[known]]
        return known

    def select(self, rows: Ints) -> TagTable:
        """Return the table of some rows, each once."""
        made = TagTable()
        made._kinds, made._text = self._kinds, self._text
        made.kind, made.named = self.kind[rows], self.named[rows]
        made._start, made._length = self._start[rows], self._length[rows]
        made.keys_of = TagKeys(self.keys_of.epcs(rows))
        if self._own:
            made._own = {new: self._own[old] for new, old in enumerate(rows.tolist()) if old in self._own}
        return made

    def joined(self, other: TagTable) -> TagTable:
        """Return the rows of both tables, which have no tag in common."""
        if not len(self) or not len(other):
            return self if len(self) else other
        made, n = TagTable(), len(self)
        made._kinds, made._text = [*self._kinds, *other._kinds], self._text + other._text
        made.kind = np.concatenate([self.kind, other.kind + len(self._kinds)])
        made.named = np.concatenate([self.named, other.named])
        made._start = np.concatenate([self._start, other._start + len(self._text)])
        made._length = np.concatenate([self._length, other._length])
        made._own = self._own | {n + row: own for row, own in other._own.items()}
        made.keys_of = TagKeys([*self, *other])
        return made

    def where(self, is_so: Callable[[TagContents], bool]) -> Bools:
        """Return of which tags something is so, shape (n,), that neither identifiers, fields nor readings tell."""
        return np.array([is_so(kind) for kind in self._kinds], bool)[self.kind]

    def column(self, name: str) -> Texts:
        """Return one of the other attributes of `TagContents` as objects, shape (n,)."""
        values = np.empty(len(self._kinds), object)
        values[:] = [getattr(kind, name) for kind in self._kinds]
        return values[self.kind]

    def item_ids(self, rows: Ints) -> list[str]:
        """Return the item identifiers of some rows."""
        return list(map(self._item, self._start[rows].tolist(), self._length[rows].tolist()))

    def candidates(self) -> tuple[Ints, list[str], Texts]:
        """
        Return every way to read a tag that names an item (`TagContents.candidates`), by the tags.

        Returns
        -------
        row : int64 array, shape (k,)
            The tag.
        item_id : list of str, length k
        format : object array of str, shape (k,)
        """
        plain = self.named & ~self.where(lambda kind: kind.patron_card)
        several = sorted(row for row, (_, _, readings) in self._own.items() if readings)
        plain[several] = False
        row = np.flatnonzero(plain)
        ways = [(i, way.item_id, way.format) for i in several for way in self.at(i).candidates]
        items, formats = self.item_ids(row), self.column("format")[row]
        if not ways:
            return row, items, formats
        row = np.concatenate([row, [i for i, _, _ in ways]])
        order = np.argsort(row, kind="stable")
        items += [item for _, item, _ in ways]
        formats = np.concatenate([formats, np.array([name for _, _, name in ways], object)])
        return row[order], [items[i] for i in order.tolist()], formats[order]

    def _item(self, start: int, length: int) -> str:
        return self._text[start : start + length].decode("utf-8", "surrogatepass")


class _Items(ItemsView[str, TagContents]):
    _mapping: TagTable

    def __iter__(self) -> Iterator[tuple[str, TagContents]]:
        return ((epc, self._mapping.at(row)) for row, epc in enumerate(self._mapping))


class _Values(ValuesView[TagContents]):
    _mapping: TagTable

    def __iter__(self) -> Iterator[TagContents]:
        return map(self._mapping.at, range(len(self._mapping)))


def _kind_of(said: TagContents) -> _Kind:
    return (
        said.format, said.owner, said.parts, said.part, said.usage, said.security, said.lent, said.problem, said.notes,
    )  # fmt: skip
