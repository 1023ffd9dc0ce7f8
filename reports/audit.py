"""A hand scan of some shelves against what the radio said: read rate, shelves, order, false alarms, misses.

Ten shelves chosen by chance and scanned with a barcode reader from left to right tell what a run is worth, without
believing any of its own figures. The two rows of each shelf are laid side by side by their longest common subsequence,
so that one missed scan shifts nothing. The hand scan is taken for true; where it most likely is not (a book that the
radio placed and nobody scanned) that is said apart and not counted as the radio's error alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from localization.positions import Positions
from recording.surveyed import Surveyed
from recording.words import counted
from reports.audit_scan import AuditError, Scan
from reports.audit_text import S
from reports.books import EXPECTED, LOST, Catalogue
from reports.findings import Finding
from reports.intervals import Share, share_of
from reports.places import Places
from reports.shelf_order import heaviest_order
from reports.text import several
from stacks.holdings import Holdings
from stacks.plan import Plan

HEARD, SHELF, ORDER, THERE = "read rate", "right shelf", "neighbours in order", "placed there and there"
JUDGED = ("wrong_shelf", "wrong_order", "missing", "on_shelf_loaned", "found", "dead_tag")
"""Kinds of findings a hand scan can judge."""
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Book:
    """One book of a scanned shelf that is worth a look.

    Attributes
    ----------
    barcode, call_number, title, shelf_id : str
        `shelf_id` is the scanned shelf.
    what : str
        ``not heard``, ``placed elsewhere``, ``out of our order``, ``placed here, not scanned``, ``false alarm`` or
        ``not found``.
    detail : str
        Where it was placed, or the finding's kind.
    """

    barcode: str
    call_number: str
    title: str
    shelf_id: str
    what: str
    detail: str = ""


@dataclass(frozen=True)
class Audit:
    """What a hand scan says of a run.

    Attributes
    ----------
    shares : dict of str to Share
        `HEARD`: scanned books that the radio heard. `SHELF`: of those heard, placed on the shelf they stand on.
        `ORDER`: of neighbours by hand, both placed on that shelf, those in the same order. `THERE`: of the books placed
        on these shelves, those scanned there.
    alarms : dict of str to Share
        By kind of finding, and for all: of those made about these shelves, the true ones.
    caught : dict of str to Share
        By kind: of the troubles that the hand scan shows, those that were found.
    shelves : dict of str to dict of str to int
        The counts of each shelf.
    books : tuple of Book
        Worth a look.
    surveyed : Surveyed
        The scan as truth.
    notes : tuple of str
    """

    shares: dict[str, Share]
    alarms: dict[str, Share]
    caught: dict[str, Share]
    shelves: dict[str, dict[str, int]]
    books: tuple[Book, ...]
    surveyed: Surveyed
    notes: tuple[str, ...]


@dataclass
class _Counts:
    """Right and counted, shelf by shelf."""

    right: dict[str, int] = field(default_factory=dict[str, int])
    of: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, shelf: str, right: bool) -> None:
        self.of[shelf] = self.of.get(shelf, 0) + 1
        self.right[shelf] = self.right.get(shelf, 0) + right

    def share(self, level: float) -> Share:
        keys = list(self.of)
        return share_of([self.right[k] for k in keys], [self.of[k] for k in keys], level=level)


def audit(
    scan: Scan,
    positions: Positions,
    findings: Sequence[Finding],
    plan: Plan,
    holdings: Holdings,
    *,
    level: float = _LEVEL,
) -> Audit:
    """Hold a run against a hand scan.

    Parameters
    ----------
    scan : Scan
        What staff scanned.
    positions : Positions
        What localization said.
    findings : sequence of Finding
        What the run's exceptions say.
    plan, holdings
        As the run had them.
    level : float
        Chance that the intervals are to hold.

    Raises
    ------
    AuditError
        Nothing was scanned, or nothing that the catalogue knows.
    """
    places = Places.of(plan)
    catalogue = Catalogue.of(holdings, places)
    placed = _placed(positions, catalogue)
    scan = _scanned(scan, placed, catalogue, places)
    row_of = holdings.index_of_barcode
    heard = {str(e).upper(): n for n, e in enumerate(positions.epc.tolist())}
    stands = {b: s.shelf_id for s in scan.shelves for b in s.barcodes}
    shares = {name: _Counts() for name in (HEARD, SHELF, ORDER, THERE)}
    books: list[Book] = []
    notes: list[str] = [*scan.notes]
    untagged = 0

    def book(i: int, shelf: str, what: str, detail: str = "") -> None:
        h = catalogue.rows[i]
        books.append(Book(h.barcode, h.call_number, h.title, shelf, what, detail))

    for shelf in scan.shelves:
        ours = placed.get(shelf.shelf_id, [])
        rank = {i: n for n, i in enumerate(ours)}
        row = [row_of[b] for b in shelf.barcodes]
        for i in row:
            h = catalogue.rows[i]
            if not h.epc or h.extra.get("tagged", "").strip().lower() == "no":
                untagged += 1
                continue
            at = heard.get(h.epc.upper())
            shares[HEARD].add(shelf.shelf_id, at is not None)
            if at is None:
                book(i, shelf.shelf_id, "not heard")
                continue
            named = positions.shelf_id[at]
            shares[SHELF].add(shelf.shelf_id, named == shelf.shelf_id)
            if named != shelf.shelf_id:
                book(i, shelf.shelf_id, "placed elsewhere", str(named or "nowhere"))
        both = [i for i in row if i in rank]
        for a, b in pairwise(both):
            shares[ORDER].add(shelf.shelf_id, rank[a] < rank[b])
        for i, stays in zip(both, _longest([rank[i] for i in both]), strict=True):
            if not stays:
                book(i, shelf.shelf_id, "out of our order")
        for i in ours:
            there = stands.get(catalogue.rows[i].barcode)
            shares[THERE].add(shelf.shelf_id, there == shelf.shelf_id)
            if there != shelf.shelf_id:
                book(i, shelf.shelf_id, "placed here, not scanned", f"scanned on {there}" if there else "")
    dubious = sum(b.what == "placed here, not scanned" and not b.detail for b in books)
    alarms, caught, more = _findings(scan, findings, catalogue, places, row_of, stands, heard)
    books.extend(more)
    if untagged:
        notes.append(S.not_tagged(untagged))
    if dubious:
        notes.append(S.dubious(dubious))
    notes.append(S.one_shelf() if len(scan.shelves) == 1 else S.few_shelves(len(scan.shelves)))
    order = {s.shelf_id: n for n, s in enumerate(scan.shelves)}
    counts = {
        s.shelf_id: {
            "scanned": len(s.barcodes), "strange": len(s.strange), "heard": shares[HEARD].right.get(s.shelf_id, 0),
            "right shelf": shares[SHELF].right.get(s.shelf_id, 0), "pairs": shares[ORDER].of.get(s.shelf_id, 0),
            "pairs in order": shares[ORDER].right.get(s.shelf_id, 0), "placed": len(placed.get(s.shelf_id, [])),
        }
        for s in scan.shelves
    }  # fmt: skip
    return Audit(
        {name: c.share(level) for name, c in shares.items()},
        {name: c.share(level) for name, c in alarms.items()},
        {name: c.share(level) for name, c in caught.items()},
        counts,
        tuple(sorted(books, key=lambda b: order[b.shelf_id])),
        _surveyed(scan, catalogue, places, row_of, stands),
        tuple(notes),
    )


def _scanned(scan: Scan, placed: Mapping[str, object], catalogue: Catalogue, places: Places) -> Scan:
    """Return the scan without shelves that nobody scanned though books should stand there: that is no empty shelf."""
    if not any(s.barcodes or s.said_empty for s in scan.shelves):
        strange = sum(len(s.strange) for s in scan.shelves)
        raise AuditError(
            f"none of the {counted(strange, 'barcode')} scanned is in the catalogue; is it this library's, and are "
            "barcodes kept as text?"
            if strange
            else "no barcode at all was scanned; scan each shelf's books below its line, or write `empty` there"
        )
    due = {
        places.rows[place].id
        for place in set(catalogue.home[np.isin(catalogue.status, list(EXPECTED))].tolist())
        if place >= 0
    }
    out = [s.shelf_id for s in scan.shelves if s.unscanned and (s.shelf_id in placed or s.shelf_id in due)]
    if not out:
        return scan
    kept = tuple(s for s in scan.shelves if s.shelf_id not in out)
    return Scan(kept, (*scan.notes, S.left_out(several(out))))


def _placed(positions: Positions, catalogue: Catalogue) -> dict[str, list[int]]:
    """Return, for each shelf, the rows of the copies placed on it, from left to right."""
    order = np.lexsort((positions.offset_m, positions.rank))
    out: dict[str, list[int]] = {}
    for n in order.tolist():
        i = catalogue.by_epc.get(str(positions.epc[n]).upper())
        if i is not None and positions.shelf_id[n]:
            out.setdefault(str(positions.shelf_id[n]), []).append(i)
    return out


def _longest(row: Sequence[int]) -> list[bool]:
    """Return which members of a row are in its longest rising subsequence: of two rows' numbers, the common one."""
    ranks = np.array(row, np.int64)
    return heaviest_order(ranks, np.ones(len(ranks)), np.array([0, len(ranks)], np.int64)).tolist()


def _out_of_order(row: Sequence[int], catalogue: Catalogue) -> tuple[set[int], set[int]]:
    """Return the copies whose moving sorts a row (the fewest), and all that some fewest moves would move."""
    sortable = [i for i in row if catalogue.rank[i] >= 0]
    ranks = [int(catalogue.rank[i]) for i in sortable]
    stays = _longest(ranks)
    fewest = {i for i, stay in zip(sortable, stays, strict=True) if not stay}
    longest = sum(stays)
    # A book is in every longest subsequence where leaving it out makes them shorter.
    any_of = {
        i for n, i in enumerate(sortable)
        if i in fewest or (fewest and sum(_longest(ranks[:n] + ranks[n + 1 :])) == longest)
    }  # fmt: skip
    return fewest, any_of


def _findings(
    scan: Scan,
    findings: Sequence[Finding],
    catalogue: Catalogue,
    places: Places,
    row_of: Mapping[str, int],
    stands: dict[str, str],
    heard: dict[str, int],
) -> tuple[dict[str, _Counts], dict[str, _Counts], list[Book]]:
    """Judge the findings about the scanned shelves, and look for what they do not say."""
    audited = {s.shelf_id for s in scan.shelves}
    due: dict[str, dict[int, str]] = {kind: {} for kind in JUDGED}
    in_order_too: set[int] = set()
    for shelf in scan.shelves:
        row = [row_of[b] for b in shelf.barcodes]
        place = places.index[shelf.shelf_id]
        own: list[int] = []
        for i in row:
            status, epc = str(catalogue.status[i]), catalogue.rows[i].epc.upper()
            home = int(catalogue.home[i])
            if status in LOST:
                due["found"][i] = shelf.shelf_id
            elif status == "loaned":
                due["on_shelf_loaned"][i] = shelf.shelf_id
            elif status in EXPECTED and home >= 0 and home != place:
                due["wrong_shelf"][i] = shelf.shelf_id
            elif status in EXPECTED:
                own.append(i)
            if epc and epc not in heard:
                due["dead_tag"][i] = shelf.shelf_id
        fewest, any_of = _out_of_order(own, catalogue)
        due["wrong_order"].update(dict.fromkeys(fewest, shelf.shelf_id))
        in_order_too |= any_of
        for i in np.flatnonzero(
            (catalogue.home == place) & np.isin(catalogue.status, list(EXPECTED))
        ).tolist():
            h = catalogue.rows[i]
            if h.barcode not in stands and h.epc and h.epc.upper() not in heard:
                due["missing"][i] = shelf.shelf_id
    alarms: dict[str, _Counts] = {}
    books: list[Book] = []
    said: dict[str, set[int]] = {kind: set() for kind in JUDGED}
    for f in findings:
        i = row_of.get(f.barcode)
        if i is None or f.kind not in JUDGED:
            continue
        said[f.kind].add(i)
        # Where the finding sends staff; elsewhere the hand scan says nothing, unless it saw the book.
        where = f.shelf_id if f.shelf_id in audited else stands.get(f.barcode)
        if where is None:
            continue
        true = i in in_order_too if f.kind == "wrong_order" else due[f.kind].get(i) == f.shelf_id
        for name in ("all", f.kind):
            alarms.setdefault(name, _Counts()).add(where, true)
        if not true:
            h = catalogue.rows[i]
            books.append(Book(h.barcode, h.call_number, h.title, where, "false alarm", f.kind))
    caught: dict[str, _Counts] = {}
    for kind in JUDGED:
        if kind == "dead_tag":
            continue  # not heard is the read rate's; one night cannot know it
        for i, shelf in due[kind].items():
            found = i in said[kind]
            caught.setdefault(kind, _Counts()).add(shelf, found)
            if not found:
                h = catalogue.rows[i]
                books.append(Book(h.barcode, h.call_number, h.title, shelf, "not found", kind))
    return alarms, caught, books


def _surveyed(
    scan: Scan, catalogue: Catalogue, places: Places, row_of: Mapping[str, int], stands: dict[str, str]
) -> Surveyed:
    rows: list[tuple[str, str, str, int, bool]] = []
    for shelf in scan.shelves:
        for n, barcode in enumerate(shelf.barcodes, 1):
            rows.append((catalogue.rows[row_of[barcode]].epc, barcode, shelf.shelf_id, n, True))
        place = places.index[shelf.shelf_id]
        for i in np.flatnonzero(
            (catalogue.home == place) & np.isin(catalogue.status, list(EXPECTED))
        ).tolist():
            h = catalogue.rows[i]
            if h.barcode not in stands:
                rows.append((h.epc, h.barcode, shelf.shelf_id, 0, False))
    epc, barcode, shelf_id, rank, present = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Surveyed(
        _texts(epc), _texts(barcode), _texts(shelf_id), np.array(rank, np.int64), np.array(present, np.bool_)
    )


def _texts(values: Sequence[str]) -> npt.NDArray[np.object_]:
    out = np.empty(len(values), object)
    out[:] = values
    return out
