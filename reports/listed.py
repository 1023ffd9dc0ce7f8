"""Copies on staff's own lists: where each was heard, and what became of those that were not.

A listed copy that was heard on a shelf is a finding of its own, unless something is wrong with it that must be put
right anyway (another shelf, a status): that stays what it is, and says that the copy is on a list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from reports import listed_text as say
from reports.book_findings import book_finding, presence, standing
from reports.books import Catalogue, Shelved
from reports.case import WHEREABOUTS
from reports.findings import Finding
from reports.missing import Silent
from reports.phrases import Said
from reports.places import Places
from reports.policy import Policy
from reports.text import several
from stacks.staff_lists import PURPOSES, ListNote, ListRow, StaffList

Floats = npt.NDArray[np.float64]

_AWAY = ("loaned", "on_hold", "in_transit", "in_process")
_RANK = {purpose: i for i, purpose in enumerate(PURPOSES)}
_UNKNOWN_NAMED = 10


@dataclass(frozen=True, slots=True)
class ListTally:
    """What became of one list tonight; every row is counted once.

    Attributes
    ----------
    name, purpose : str
        As of the list.
    asked : int
        Rows that still hold.
    located : int
        Heard on a shelf.
    unplaced : int
        Heard, too little to say where.
    away : mapping of str to int
        Not heard, and by their status elsewhere: on loan, on hold, in transit, in process.
    silent : int
        Not heard, although their shelf was scanned.
    not_looked : int
        Not heard, and not looked for: their shelf was not scanned, or nobody knows which it is.
    unknown : tuple of str
        Barcodes the catalogue does not know.
    expired : int
        Rows whose last day is over; not among those asked for.
    notes : tuple of ListNote
        What was left out of the file.
    """

    name: str
    purpose: str
    asked: int
    located: int = 0
    unplaced: int = 0
    away: Mapping[str, int] = field(default_factory=dict[str, int])
    silent: int = 0
    not_looked: int = 0
    unknown: tuple[str, ...] = ()
    expired: int = 0
    notes: tuple[ListNote, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return an object for ``json.dumps``, notes in English words."""
        made = {f.name: getattr(self, f.name) for f in fields(self)}
        notes = [str(say.file_note(note)) for note in self.notes]
        return made | {"away": dict(self.away), "unknown": list(self.unknown), "notes": notes}

    @property
    def said(self) -> Said:
        """The tally in one or two sentences."""
        return say.tally(
            self.name,
            self.purpose,
            (self.located, self.asked, self.unplaced, self.silent + self.not_looked, self.not_looked),
            self.away,
            (self.unknown[:_UNKNOWN_NAMED], len(self.unknown)),
            self.expired,
            self.notes,
        )


@dataclass(frozen=True)
class Wanted:
    """The lists of one night, joined with its catalogue.

    Attributes
    ----------
    lists : tuple of StaffList
    rows : tuple of tuple of ListRow
        Of each list, those that hold on that night.
    copies : tuple of mapping of str to tuple of int
        Of each list, the copies (rows of the catalogue) of each barcode it knows.
    """

    lists: tuple[StaffList, ...]
    rows: tuple[tuple[ListRow, ...], ...]
    copies: tuple[Mapping[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, lists: Sequence[StaffList], catalogue: Catalogue, day: date | None) -> Wanted:
        """Look every listed barcode up; without a day nothing has expired."""
        rows = tuple(of.rows if day is None else of.current(day) for of in lists)
        asked = {row.barcode for some in rows for row in some}
        known: dict[str, tuple[int, ...]] = {}
        for copy, barcode in enumerate(catalogue.barcode.tolist() if asked else ()):
            if barcode in asked:
                known[barcode] = (*known.get(barcode, ()), copy)
        found = tuple({r.barcode: known[r.barcode] for r in some if r.barcode in known} for some in rows)
        return cls(tuple(lists), rows, found)

    @property
    def barcodes(self) -> frozenset[str]:
        """Every barcode that is on a list and in the catalogue."""
        return frozenset(barcode for found in self.copies for barcode in found)

    def by_copy(self) -> dict[int, list[tuple[StaffList, ListRow]]]:
        """Return the lists of each listed copy, the most pressing first."""
        on: dict[int, list[tuple[StaffList, ListRow]]] = {}
        for of, rows, found in zip(self.lists, self.rows, self.copies, strict=True):
            for row in rows:
                for copy in found.get(row.barcode, ()):
                    on.setdefault(copy, []).append((of, row))
        for entries in on.values():
            entries.sort(key=lambda entry: _RANK[entry[0].purpose])
        return on

    def tallies(self, s: Shelved, c: Catalogue, silent: Silent) -> tuple[ListTally, ...]:
        """Count what became of every list."""
        if not self.lists:
            return ()
        asked = np.array(
            sorted({copy for found in self.copies for some in found.values() for copy in some}), np.int64
        )
        placed = _among(asked, s.copy[s.place >= 0])
        heard = _among(asked, s.copy)
        looked = _among(asked, silent.copy[silent.looked])
        made: list[ListTally] = []
        for of, rows, found in zip(self.lists, self.rows, self.copies, strict=True):
            counts: Counter[str] = Counter()
            away: Counter[str] = Counter()
            for copies in found.values():
                if not placed.isdisjoint(copies):
                    counts["located"] += 1
                elif not heard.isdisjoint(copies):
                    counts["unplaced"] += 1
                elif all((status := str(c.status[copy])) in _AWAY for copy in copies):
                    away[status] += 1
                else:
                    counts["silent" if not looked.isdisjoint(copies) else "not_looked"] += 1
            made.append(
                ListTally(
                    of.name,
                    of.purpose,
                    len(rows),
                    counts["located"],
                    counts["unplaced"],
                    {status: away[status] for status in _AWAY if away[status]},
                    counts["silent"],
                    counts["not_looked"],
                    tuple(row.barcode for row in rows if row.barcode not in found),
                    len(of.rows) - len(rows),
                    of.notes,
                )
            )
        return tuple(made)


def _among(asked: npt.NDArray[np.int64], copies: npt.NDArray[np.int64]) -> set[int]:
    """Return which of the copies asked for are among some."""
    return set(asked[np.isin(asked, copies)].tolist())


def with_listed(
    findings: Iterable[Finding],
    wanted: Wanted,
    s: Shelved,
    c: Catalogue,
    places: Places,
    behind: Floats,
    policy: Policy,
) -> list[Finding]:
    """Add a finding for every listed copy heard on a shelf; other findings about such copies say that they are listed.

    A doubt about a listed copy that was heard on a shelf becomes its line: somebody goes there anyway.
    """
    on = wanted.by_copy()
    if not on:
        return list(findings)
    row_of: dict[int, int] = {}
    rows = np.flatnonzero((s.place >= 0) & np.isin(s.copy, np.array(list(on), np.int64)))
    for row in rows.tolist():
        row_of.setdefault(int(s.copy[row]), row)
    named = {(c.barcode[copy], c.epc[copy].upper()): copy for copy in on}
    kept: list[Finding] = []
    doubts: dict[int, str] = {}
    told: set[int] = set()
    for f in findings:
        copy = named.get((f.barcode, f.epc.upper())) if f.barcode and f.kind in WHEREABOUTS else None
        if copy is None:
            kept.append(f)
        elif f.kind == "low_confidence" and copy in row_of:
            doubts[copy] = doubts[copy] + " " + f.evidence if copy in doubts else f.evidence
        else:
            told.add(copy)
            kept.append(_also(f, on[copy]))
    for copy, row in row_of.items():
        if copy not in told:
            doubt = doubts.get(copy, "")
            kept.append(_finding(s, c, places, row, on[copy], float(behind[row]), policy, doubt))
    return kept


def _finding(
    s: Shelved,
    c: Catalogue,
    places: Places,
    row: int,
    on: Sequence[tuple[StaffList, ListRow]],
    behind: float,
    policy: Policy,
    doubt: str,
) -> Finding:
    copy, readings = int(s.copy[row]), int(s.positions.readings[row])
    if behind >= policy.doubt_from and s.home[row] >= 0:
        home = places.rows[int(s.home[row])].id
        where: dict[str, object] = {"shelf_id": home}
        evidence, beside, sure = say.heard_behind(home, readings), Said(()), presence(s, row) * behind
    else:
        where, beside = standing(s, row, places), say.beside(*_neighbours(s, c, row))
        evidence, sure = say.heard_here(readings, beside), presence(s, row) * (1.0 - behind)
    evidence = evidence + (" " + doubt if doubt else "")
    more = {**where, **_belongs(s, row, places), "beside": beside, "confidence": sure, "evidence": evidence}
    more["asked_for"] = several([say.for_list(of.name, of.purpose, row.note) for of, row in on])
    return _also(book_finding(c, copy, "listed", **more), on)


def _also(f: Finding, on: Sequence[tuple[StaffList, ListRow]]) -> Finding:
    """Say of a finding which lists its copy is on."""
    evidence = f.evidence
    for of, row in on:
        evidence = evidence + say.on_list(of.name, of.purpose, row.note)
    at = max((of.at for of, _ in on if of.at is not None), default=None)
    return replace(
        f, evidence=evidence, lists=tuple(of.name for of, _ in on), purpose=on[0][0].purpose, listed_at=at
    )


def _belongs(s: Shelved, row: int, places: Places) -> dict[str, object]:
    """Return the fields that say on which shelf a tag's copy belongs; none where nobody knows."""
    home = int(s.home[row])
    if not 0 <= home < len(places):
        return {}
    return {"belongs": places.rows[home].id, "belongs_shelf_id": places.rows[home].id}


def _neighbours(s: Shelved, c: Catalogue, row: int) -> tuple[str, str]:
    """Return the call numbers of the books left and right of a tag where it stands; empty where there is none."""

    def seek(step: int) -> str:
        at = row + step
        while 0 <= at < len(s) and s.place[at] == s.place[row]:
            if s.copy[at] >= 0 and (call := c.rows[int(s.copy[at])].call_number):
                return call
            at += step
        return ""

    return seek(-1), seek(1)
