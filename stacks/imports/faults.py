"""What is wrong with the rows of a file: counted by kind, the first of each kept, told all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from stacks.errors import HoldingsError

MOST_SHOWN = 20
"""So many wrong rows are named, shared among the kinds."""
_MOST_WORDS = 1000
"""So many different words are kept: a column of titles that is taken for statuses has a million."""

KINDS = {
    "fields": "rows with another number of fields than the header",
    "record": "records that cannot be read",
    "no_barcode": "no barcode",
    "barcode_shortened": "barcodes that a spreadsheet shortened",
    "rounded": "barcodes or EPCs of more than 15 digits, which the workbook has rounded",
    "date": "barcodes or EPCs that became dates in the workbook",
    "epc": "EPCs that are no hexadecimal of whole bytes",
    "too_long": "values that are too long",
    "wrong_encoding": "texts once read in a wrong encoding",
    "status": "words for a status that are not known",
    "scheme": "words for a scheme that are not known",
}
"""What can be wrong with rows or records, for people."""


class Place(NamedTuple):
    """Where a row or record is: for people, and as numbers (a line of 0: there are no lines)."""

    text: str
    row: int
    line: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One row that is wrong and how, its place as of `Place`, and for how many rows it stands: a word for all."""

    where: str
    row: int
    line: int
    said: str
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """
    What is wrong in one way.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    count : int
        Rows.
    examples : tuple of Fault
        The first of them; of words, each once where it stands first.
    more : int
        Rows that the examples say nothing of.
    """

    kind: str
    count: int
    examples: tuple[Fault, ...]
    more: int

    def to_json(self) -> dict[str, Any]:
        """Return an object for ``json.dumps``."""
        return {
            "kind": self.kind, "what": KINDS[self.kind], "rows": self.count,
            "examples": [asdict(fault) for fault in self.examples], "more": self.more,
        }  # fmt: skip


class RowsError(HoldingsError):
    """
    A file that is refused for what is wrong with its rows; the text is one line, with the first of each kind.

    Attributes
    ----------
    rows : int
        Rows or records of the file.
    groups : tuple of Group
        What is wrong, by kind; together they name `MOST_SHOWN` rows, fewer where there are no more.
    """

    def __init__(self, text: str, rows: int, groups: tuple[Group, ...]) -> None:
        super().__init__(text)
        self.rows, self.groups = rows, groups

    def lines(self) -> list[str]:
        """Return all of it for people: a line for each kind and for each row that is named."""
        made: list[str] = []
        for group in self.groups:
            made.append(f"{KINDS[group.kind]}: {group.count:,}")
            made += [f"  {fault.where}: {fault.said}" for fault in group.examples]
            if group.more:
                made.append(f"  and {group.more:,} more")
        return made

    def to_json(self) -> dict[str, Any]:
        """Return an object for ``json.dumps``."""
        return {
            "refused": str(self), "rows": self.rows, "written": False,
            "problems": [group.to_json() for group in self.groups],
        }  # fmt: skip


@dataclass(slots=True)
class _Kind:
    count: int = 0
    first: list[Fault] = field(default_factory=list[Fault])


class Faults:
    """Counts what is wrong, and keeps the first of each kind; needs no more memory for a million than for twenty."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}

    def add(self, kind: str, where: Callable[[], Place], said: Callable[[], str]) -> None:
        """Take one; what it says is only asked for while it is among the first of its kind."""
        its = self._kinds.setdefault(kind, _Kind())
        its.count += 1
        if len(its.first) < MOST_SHOWN:
            its.first.append(Fault(*where(), said()))

    def count(self, kind: str) -> int:
        """Return how many there are of a kind."""
        return self._kinds[kind].count if kind in self._kinds else 0

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that there are."""
        return tuple(self._kinds)

    def first(self, kind: str) -> Fault:
        """Return the first of a kind that there is."""
        return self._kinds[kind].first[0]

    def groups(self) -> list[Group]:
        """Return what there is of each kind, in the order of `KINDS`."""
        return [
            Group(kind, its.count, tuple(its.first), its.count - len(its.first))
            for kind in KINDS
            if (its := self._kinds.get(kind)) is not None
        ]


class Words:
    """Words that are not known: how often each stands there, and where first."""

    def __init__(self) -> None:
        self.rows = 0
        self._seen: dict[str, tuple[int, Place]] = {}

    def add(self, word: str, where: Callable[[], Place]) -> None:
        """Take a word of one row."""
        self.rows += 1
        seen = self._seen.get(word)
        if seen is not None:
            self._seen[word] = (seen[0] + 1, seen[1])
        elif len(self._seen) < _MOST_WORDS:
            self._seen[word] = (1, where())

    def with_those_of(self, other: Words) -> Words:
        """Return these and another's."""
        made = Words()
        made.rows = self.rows + other.rows
        made._seen = dict(self._seen)
        for word, (n, place) in other._seen.items():
            mine, first = made._seen.get(word, (0, place))
            made._seen[word] = (mine + n, min(first, place, key=lambda seen: seen.row))
        return made

    def common(self) -> list[tuple[str, int]]:
        """Return the words, those that stand there most often first."""
        return sorted(((word, n) for word, (n, _) in self._seen.items()), key=lambda seen: -seen[1])

    def more(self, shown: int) -> str:
        """Return how many words there are beyond some, for people; empty where there are none."""
        left = len(self._seen) - shown
        if left <= 0:
            return ""
        full = len(self._seen) == _MOST_WORDS
        return f" and over {left:,} more" if full else f" and {left:,} more"

    def group(self, kind: str) -> Group:
        """Return them as what is wrong in one way."""
        shown = self.common()[:MOST_SHOWN]
        examples = tuple(Fault(*self._seen[word][1], f"{word[:80]!r} ({times(n)})", n) for word, n in shown)
        return Group(kind, self.rows, examples, self.rows - sum(n for _, n in shown))


def refused(text: str, rows: int, groups: Sequence[Group]) -> RowsError:
    """Return the error; of many groups each keeps some of its rows, so that all kinds are seen."""
    shares = [0] * len(groups)
    left = MOST_SHOWN
    while left and any(share < len(group.examples) for share, group in zip(shares, groups, strict=True)):
        for i, group in enumerate(groups):
            if left and shares[i] < len(group.examples):
                shares[i] += 1
                left -= 1
    return RowsError(
        text, rows, tuple(_cut(group, share) for group, share in zip(groups, shares, strict=True))
    )


def _cut(group: Group, share: int) -> Group:
    kept = group.examples[:share]
    return Group(group.kind, group.count, kept, group.count - sum(fault.rows for fault in kept))


def times(n: int) -> str:
    """Return a number of times."""
    return f"{n:,} time{'' if n == 1 else 's'}"
