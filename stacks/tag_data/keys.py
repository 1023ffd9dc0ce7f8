"""Many tags' numbers as columns, and the row of each: in a dictionary a million strings take 150 MB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Uids = npt.NDArray[np.uint64]

UID_FIRST: Final = 0xE0
"""The first of the eight bytes of a chip's number in ISO 15693."""

_DIGITS: Final = 16
_BAD: Final = 0xFF
_VALUE: Final = np.full(256, _BAD, np.uint8)
_VALUE[np.frombuffer(b"0123456789ABCDEF", np.uint8)] = np.arange(16)


def numbers_of(epcs: Sequence[str]) -> Uids:
    """
    Return the number of each tag of eight bytes, as UIDs (ISO 15693) are; 0 for other tags.

    Parameters
    ----------
    epcs : sequence of str
        Hexadecimal in capitals.

    Returns
    -------
    uint64 array, shape (n,)
    """
    made = np.zeros(len(epcs), np.uint64)
    long = np.fromiter((len(epc) == _DIGITS for epc in epcs), bool, len(epcs))
    rows = np.flatnonzero(long)
    texts = epcs if len(rows) == len(epcs) else [epcs[i] for i in rows.tolist()]
    digits = _VALUE[np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8)]
    digits = digits.reshape(len(rows), _DIGITS)
    whole = (digits[:, 0::2] << 4 | digits[:, 1::2] & 0x0F).astype(np.uint8).view(">u8").ravel()
    made[rows] = np.where((digits != _BAD).all(axis=1), whole, 0)
    return made


def uids_of(epcs: Iterable[str]) -> Uids:
    """Return the numbers of those tags that are chips of ISO 15693, 0 for other tags, shape (n,)."""
    numbers = numbers_of(epcs if isinstance(epcs, list) else list(epcs))
    return np.where(numbers >> np.uint64(56) == np.uint64(UID_FIRST), numbers, np.uint64(0))


def _number_of(epc: str) -> int:
    try:
        number = int(epc, 16) if len(epc) == _DIGITS else 0
    except ValueError:
        return 0
    return number if f"{number:016X}" == epc else 0


class TagKeys:
    """
    Different tags' numbers, and which row each has.

    Parameters
    ----------
    epcs : iterable of str
        EPCs or UIDs, hexadecimal in capitals, each once, in the order of the rows.
    """

    __slots__ = ("_number", "_order", "_other", "_other_rows", "_others")

    def __init__(self, epcs: Iterable[str]) -> None:
        names = epcs if isinstance(epcs, list) else list(epcs)
        self._number = numbers_of(names)
        self._order = np.argsort(self._number, kind="stable").astype(np.int32)
        self._other_rows = np.flatnonzero(self._number == 0)
        # Longer numbers are kept as they are: the strings are mostly somebody else's as well.
        self._others = [names[i] for i in self._other_rows.tolist()]
        self._other = dict(zip(self._others, self._other_rows.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self._number)

    def __iter__(self) -> Iterator[str]:
        others = iter(self._others)
        for number in self._number.tolist():
            yield f"{number:016X}" if number else next(others)

    def row(self, epc: object) -> int:
        """Return a tag's row, -1 where it is none of these."""
        if not isinstance(epc, str):
            return -1
        number = _number_of(epc)
        if not number:
            return self._other.get(epc, -1)
        at = int(np.searchsorted(self._number, np.uint64(number), sorter=self._order))
        if at == len(self._order) or int(self._number[self._order[at]]) != number:
            return -1
        return int(self._order[at])

    def rows(self, epcs: Sequence[str]) -> Ints:
        """Return the row of each tag, shape (m,); -1 where it is none of these."""
        if not len(self):
            return np.full(len(epcs), -1, np.int64)
        number = numbers_of(epcs)
        at = np.minimum(np.searchsorted(self._number, number, sorter=self._order), len(self) - 1)
        found = self._order[at].astype(np.int64)
        found[(self._number[found] != number) | (number == 0)] = -1
        if self._other:
            other = np.flatnonzero(number == 0)
            found[other] = [self._other.get(epcs[i], -1) for i in other.tolist()]
        return found

    def epcs(self, rows: Ints) -> list[str]:
        """Return the tags of some rows."""
        numbers = self._number[rows]
        made = [f"{number:016X}" for number in numbers.tolist()]
        for i in np.flatnonzero(numbers == 0).tolist():
            made[i] = self._others[int(np.searchsorted(self._other_rows, rows[i]))]
        return made
