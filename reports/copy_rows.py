"""Rows of copies: made when they are asked for, found again in another table, and named by tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from stacks.holdings import Holding, Holdings
from stacks.tag_data.keys import TagKeys

Texts = npt.NDArray[np.object_]
Ints = npt.NDArray[np.int64]


class CopyRows(Sequence[Holding]):
    """The catalogue's copies, each made when it is asked for: findings name few of a million."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings

    def __len__(self) -> int:
        return len(self._holdings)

    @overload
    def __getitem__(self, index: int) -> Holding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Holding, ...]: ...
    def __getitem__(self, index: int | slice) -> Holding | tuple[Holding, ...]:
        if isinstance(index, slice):
            return tuple(self._holdings.row(i) for i in range(*index.indices(len(self))))
        return self._holdings.row(index)

    def column(self, name: str) -> Texts:
        """Return one column of all copies, as `stacks.holdings.Holdings.column` does."""
        return self._holdings.column(name)


def rows_of(known: tuple[Texts, Texts], wanted: tuple[Texts, Texts]) -> Ints:
    """Return the row of each wanted copy among the known ones; -1 where that copy with that tag is not there.

    Parameters
    ----------
    known, wanted : barcodes and tag numbers
        Object arrays of str, shapes (n,) and (m,).

    Returns
    -------
    int64 array, shape (m,)
    """
    (barcodes, epcs), (barcode, epc) = known, wanted
    if not len(barcodes) or not len(barcode):
        return np.full(len(barcode), -1, np.int64)
    if len(barcodes) == len(barcode) and bool(np.all(barcodes == barcode)):
        row = np.arange(len(barcodes), dtype=np.int64)
    else:
        index = {b: i for i, b in enumerate(barcodes.tolist())}
        row = np.fromiter((index.get(b, -1) for b in barcode.tolist()), np.int64, len(barcode))
        if len(index) < len(barcodes):
            # Several copies of one barcode: their tags tell them apart.
            names = [f"{b}\x1f{e}" for b, e in zip(barcodes.tolist(), epcs.tolist(), strict=True)]
            exact = {name: i for i, name in enumerate(names)}
            asked = (f"{b}\x1f{e}" for b, e in zip(barcode.tolist(), epc.tolist(), strict=True))
            row = np.fromiter((exact.get(name, -1) for name in asked), np.int64, len(barcode))
    same = epcs[np.maximum(row, 0)] == epc
    return np.where((row >= 0) & same.astype(bool), row, -1)


class TagRows(Mapping[str, int]):
    """
    A number for each of many tags, such as its copy's row, as columns.

    Parameters
    ----------
    of : mapping of str to int
        By EPC or UID in capitals.

    Attributes
    ----------
    row : int64 array, shape (n,)
        The numbers, in the order of the tags.
    """

    __slots__ = ("_keys", "row")

    def __init__(self, of: Mapping[str, int] | None = None) -> None:
        self._keys = TagKeys(of or ())
        self.row: Ints = np.fromiter((of or {}).values(), np.int64, len(self._keys))

    def __len__(self) -> int:
        return len(self.row)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, epc: object) -> bool:
        return self._keys.row(epc) >= 0

    def __getitem__(self, epc: str) -> int:
        at = self._keys.row(epc)
        if at < 0:
            raise KeyError(epc)
        return int(self.row[at])

    def find(self, epcs: Sequence[str]) -> Ints:
        """Return the number of each tag, shape (m,); -1: it has none."""
        at = self._keys.rows(epcs)
        found = at >= 0
        at[found] = self.row[at[found]]
        return at

    def epcs(self, rows: Ints) -> list[str]:
        """Return some of the tags, by their place in `row`."""
        return self._keys.epcs(rows)
