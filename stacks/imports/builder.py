"""From blocks of raw values to holdings, and what was odd on the way."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from stacks.holding import COLUMNS, SCHEMES, STATUSES
from stacks.holdings_csv import MAX_FIELD
from stacks.imports import values
from stacks.imports.encodings import bad_texts
from stacks.imports.faults import Faults, Place, Words
from stacks.imports.mapping import Mapped
from stacks.imports.names import EXTRA, SCHEME_WORDS, STATUS_WORDS, plain

SHOWN = 10
BAD_TEXT = ("refuse", "skip", "keep")
_CHECKED = ("barcode", "call_number", "title", "home_location")
_LONGEST = {"barcode": 200, "epc": 200}
_SHORT_CLASS = re.compile(r"(\d{1,2})([.\s]|\Z)")
"""A Dewey class of fewer than three digits, and what follows: a point where it has decimals."""
_Bad = defaultdict[int, list[tuple[str, str]]]
"""What is wrong with rows of a batch, by place: its kind, and a sentence."""
_ONCE = ("scheme", "status", "home_location", *EXTRA)


@dataclass(slots=True)
class Batch:
    """
    Some copies as a file has them.

    Attributes
    ----------
    columns : mapping of str to list of str
        Our columns, raw, all of one length; those the file lacks are not there.
    where : callable
        Says where the i-th of them is, such as ``row 3 (line 4)`` or ``record 7``, as a `stacks.imports.faults.Place`.
    odd : mapping of str to mapping of int to str
        By column and place: what a spreadsheet did to it (`stacks.imports.table.Block.odd`).
    broken : sequence of (str, Place, str)
        Rows or records that could not be read at all: the kind of `stacks.imports.faults.KINDS`, where, a sentence.
    share : float
        How much of the file has been read.
    """

    columns: dict[str, list[str]]
    where: Callable[[int], Place]
    odd: Mapping[str, Mapping[int, str]] = field(default_factory=dict[str, Mapping[int, str]])
    broken: Sequence[tuple[str, Place, str]] = ()
    share: float = 0.0


class Builder:
    """
    Gathers batches into columns of holdings.

    Parameters
    ----------
    source : str
        The file, for errors.
    mapped : Mapped
        The site's words.
    bad_text : {"refuse", "skip", "keep"}
        What becomes of a text that was once read in a wrong encoding.
    barcode_width : int, optional
        Barcodes of digits alone are filled with zeros to this width.

    Attributes
    ----------
    header : list of str
        What the file calls its columns, for errors; empty where it has none.
    columns : dict of str to list of str
    rows : int
        Rows or items seen, whether taken or left out.
    left_out : list of str
        The first of those left out, and why.
    left_out_count : int
    faults : Faults
        What is wrong with those left out, and texts once read in a wrong encoding where they are refused.
    unknown, unknown_of_bad : dict of str to Words
        Words for a status or a scheme that are not known: of copies that were taken, of those left out.
    names : set of str
        The columns that were there.
    copies : int
        Rows or items that could be read, those left out among them.
    """

    def __init__(
        self, source: str, mapped: Mapped, *, bad_text: str = "refuse", barcode_width: int | None = None
    ) -> None:
        self.source, self.mapped, self.bad_text, self.width = source, mapped, bad_text, barcode_width
        self.header: list[str] = []
        self.columns: dict[str, list[str]] = {}
        self.rows = self.left_out_count = 0
        self.left_out: list[str] = []
        self.faults = Faults()
        self.unknown = {"status": Words(), "scheme": Words()}
        self.unknown_of_bad = {"status": Words(), "scheme": Words()}
        self.names: set[str] = set()
        self.copies = 0
        self.odd: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self._words = {
            "status": _lookup(mapped.statuses, STATUS_WORDS, STATUSES),
            "scheme": _lookup(mapped.schemes, SCHEME_WORDS, SCHEMES),
        }
        self._seen: dict[str, dict[str, str]] = {name: {} for name in _ONCE}

    def add(self, batch: Batch) -> None:
        """Take some copies; what is wrong with them is gathered for `stacks.imports.refusal`."""
        for kind, place, what in batch.broken:
            self.faults.add(kind, lambda place=place: place, lambda what=what: what)
            self._leave_out(place, what)
        columns = {name: list(map(values.tidy, raw)) for name, raw in batch.columns.items()}
        n = len(next(iter(columns.values()), ()))
        self.rows += n + len(batch.broken)
        for name, value in self.mapped.constants.items():
            columns[name] = [value] * n
        self.names |= columns.keys()
        self.copies += n
        bad: _Bad = defaultdict(list)
        self._spreadsheet(columns, batch, bad)
        self._too_long(columns, bad)
        self._barcodes(columns["barcode"], bad)
        self._tags(columns, bad)
        self._texts(columns, batch, bad)
        for name, read in (
            ("requests", values.count), ("loans", values.count), ("last_activity", values.moment),
            ("tagged", values.tagged),
        ):  # fmt: skip
            if name in columns:
                self._read(name, columns[name], read)
        for name in ("status", "scheme"):
            if name in columns:
                columns[name] = self._ours(name, columns[name], batch, bad)
        for i in sorted(bad):
            for kind, said in bad[i]:
                self.faults.add(kind, lambda i=i: batch.where(i), lambda said=said: said)
            self._leave_out(lambda i=i: batch.where(i), "; ".join(said for _, said in bad[i]))
        if self._hopeless():
            self.columns = {}  # nothing of it will be asked for
            return
        if bad:
            kept = [i for i in range(n) if i not in bad]
            columns = {name: [column[i] for i in kept] for name, column in columns.items()}
        have = len(self.columns.get("barcode", ()))
        for name, column in columns.items():
            if name in self._seen:
                once = self._seen[name]
                column = [once.setdefault(value, value) for value in column]
            self.columns.setdefault(name, [""] * have).extend(column)
        now = len(self.columns["barcode"])
        for column in self.columns.values():
            column.extend([""] * (now - len(column)))

    @property
    def refused_texts(self) -> int:
        """How many texts were once read in a wrong encoding, where that is refused."""
        return self.faults.count("wrong_encoding") if self.bad_text == "refuse" else 0

    def _hopeless(self) -> bool:
        """Whether the file will be refused for what has been seen already."""
        return bool(self.refused_texts or any(words.rows for words in self.unknown.values()))

    def finished(self) -> dict[str, list[str]]:
        """Return the columns, those that no file had empty; to be asked for once they are checked."""
        n = len(self.columns.get("barcode", ()))
        return {name: self.columns.get(name, [""] * n) for name in COLUMNS} | {
            name: column for name, column in self.columns.items() if name not in COLUMNS
        }

    def notes(self) -> list[str]:
        """Return what was odd about single values, a sentence each, with examples."""
        said = {
            "number": "barcodes are numbers in the workbook: zeros at their beginning, if they had any, are lost "
            "(format the column as text before exporting, or --barcode-width)",
            "call number": "call numbers are numbers in the workbook: zeros at their ends, if they had any, are lost",
            "ddc": "Dewey numbers had lost zeros at their beginning in the workbook; they are filled to "
            "three digits again",
            "ddc_92": "Dewey numbers are 92 in the workbook and stay so: biography, or 092 where the plan's policy "
            f"ddc_92 is zero_lost{'; others had lost zeros' if 'ddc' in self.odd else ''}",
            "date": "call numbers became dates in the workbook and cannot be told any more; they are left empty",
            "filled": "barcodes were filled with zeros",
            "apostrophe": "barcodes began with an apostrophe, a spreadsheet's mark of a text; it was taken off",
            "requests": "values of requests are no whole numbers and are left empty",
            "loans": "values of loans are no whole numbers and are left empty",
            "last_activity": "values of last_activity are no dates with the year first (or 31.12.2026) "
            "and are left empty",
            "tagged": "values of tagged are neither yes nor no and are left empty",
            "kept": "texts look as if read in a wrong encoding and were kept as they are",
        }
        made: list[str] = []
        for what, count in self.odd.items():
            examples = self.examples.get(what, [])
            shown = f", such as {', '.join(map(repr, examples[:3]))}" if examples else ""
            made.append(f"{count:,} {said[what]}{shown}")
        return made + self._lengths()

    def _lengths(self) -> list[str]:
        barcodes = self.columns.get("barcode", [])
        lengths = Counter(map(len, barcodes))
        if len(lengths) < 2 or len(barcodes) < 20:
            return []
        usual, n = lengths.most_common(1)[0]
        if n < 0.9 * len(barcodes):
            return []
        short = [b for b in barcodes if usual - 4 <= len(b) < usual and b.isdigit()]
        if not short or not any(b.startswith("0") for b in barcodes if len(b) == usual):
            return []
        return [
            f"{len(short):,} barcodes are shorter than the usual {usual} digits, such as {short[0]!r}, "
            f"and some of full "
            f"length begin with zero: theirs may be lost (--barcode-width {usual})"
        ]

    def _count(self, what: str, example: str = "", n: int = 1) -> None:
        self.odd[what] += n
        seen = self.examples.setdefault(what, [])
        if example and len(seen) < 3 and example not in seen:
            seen.append(example)

    def _leave_out(self, where: Place | Callable[[], Place], what: str) -> None:
        self.left_out_count += 1
        if len(self.left_out) < SHOWN:
            place = where() if callable(where) else where
            self.left_out.append(f"{place.text}: {what}")

    def _spreadsheet(self, columns: dict[str, list[str]], batch: Batch, bad: _Bad) -> None:
        for name in ("barcode", "epc"):
            for i, what in batch.odd.get(name, {}).items():
                value = columns[name][i]
                if what == "rounded":
                    said = (
                        f"{name} {value} is a number of more than 15 digits, which the workbook has rounded"
                    )
                    bad[i].append(("rounded", said))
                elif what == "date":
                    bad[i].append(("date", f"{name} became a date in the workbook ({value})"))
                elif name == "barcode":
                    self._count("number")
        for i, what in batch.odd.get("call_number", {}).items():
            value = columns["call_number"][i]
            if what == "date":
                columns["call_number"][i] = ""
                self._count("date", value)
                continue
            dewey = "scheme" in columns and self._is_dewey(columns["scheme"][i])
            short = _SHORT_CLASS.match(value) if dewey else None
            if short is not None and short[1] == "92" and short[2] != ".":
                # The policy that is asked when books are sorted reads 92 as either, but 092 as 092 alone.
                self._count("ddc_92", value)
            elif short is not None:
                columns["call_number"][i] = short[1].zfill(3) + value[short.end(1) :]
                self._count("ddc", value)
            elif not dewey or value.find(".") >= 3:
                self._count("call number", value)

    def _is_dewey(self, word: str) -> bool:
        table = self._words["scheme"]
        return (table.get(word) or table.get(plain(word))) == "ddc"

    def _too_long(self, columns: dict[str, list[str]], bad: _Bad) -> None:
        for name, column in columns.items():
            most = _LONGEST.get(name, MAX_FIELD)
            if max(map(len, column), default=0) > most:
                for i, value in enumerate(column):
                    if len(value) > most:
                        bad[i].append(("too_long", f"{name} has {len(value):,} characters, over {most:,}"))

    def _barcodes(self, barcodes: list[str], bad: _Bad) -> None:
        if "" in barcodes:
            for i, barcode in enumerate(barcodes):
                if not barcode:
                    bad[i].append(("no_barcode", "has no barcode"))
        if any("+" in b or "." in b or "," in b for b in barcodes):
            for i, barcode in enumerate(barcodes):
                if values.SHORTENED.fullmatch(barcode):
                    said = f"barcode {barcode} was shortened by a spreadsheet; export the column as text"
                    bad[i].append(("barcode_shortened", said))
        for i, barcode in enumerate(barcodes):
            if barcode[:1] == "'" and len(barcode) > 1:  # how spreadsheets mark a number as text
                barcodes[i] = barcode[1:].lstrip()
                self._count("apostrophe", barcode)
        if self.width is not None:
            for i, barcode in enumerate(barcodes):
                if barcode.isdigit() and len(barcode) < self.width:
                    barcodes[i] = barcode.zfill(self.width)
                    self._count("filled", barcode)

    def _tags(self, columns: dict[str, list[str]], bad: _Bad) -> None:
        if "epc" not in columns:
            return
        epcs = columns["epc"]
        made = columns["epc"] = list(map(str.upper, epcs))
        if not "".join(epcs).strip("0123456789abcdefABCDEF") and not any(k % 2 for k in set(map(len, epcs))):
            return
        for i, text in enumerate(epcs):
            found = values.epc(text)
            if found is None:
                bad[i].append(("epc", f"epc {text[:40]!r} is no hexadecimal of whole bytes"))
            made[i] = found or ""

    def _texts(self, columns: dict[str, list[str]], batch: Batch, bad: _Bad) -> None:
        for name in _CHECKED:
            for i, what in bad_texts(columns.get(name, ())):
                said = f"{name} has {what!r}, a text once read in a wrong encoding"
                if self.bad_text == "refuse":
                    self.faults.add("wrong_encoding", lambda i=i: batch.where(i), lambda said=said: said)
                elif self.bad_text == "skip":
                    bad[i].append(("wrong_encoding", said))
                else:
                    self._count("kept", columns[name][i][:40])

    def _read(self, name: str, column: list[str], read: Callable[[str], str | None]) -> None:
        known: dict[str, str] = {"": ""}
        for i, text in enumerate(column):
            made = known.get(text)
            if made is None:
                found = read(text)
                if found is None:
                    self._count(name, text)
                made = known[text] = found or ""
            column[i] = made

    def _ours(self, name: str, column: list[str], batch: Batch, bad: _Bad) -> list[str]:
        table, unknown, of_bad = self._words[name], self.unknown[name], self.unknown_of_bad[name]
        made: list[str] = []
        for i, word in enumerate(column):
            ours = table.get(word)
            if ours is None:
                ours = table.get(plain(word))
                if ours is None:
                    (of_bad if i in bad else unknown).add(word, lambda i=i: batch.where(i))
                    ours = ""
                else:
                    table[word] = ours
            made.append(ours)
        return made


def _lookup(site: Mapping[str, str], usual: Mapping[str, str], ours: Sequence[str]) -> dict[str, str]:
    return {
        **usual,
        **{word: word for word in ours},
        **{plain(word): value for word, value in site.items()},
        **site,
    }
