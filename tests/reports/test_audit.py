"""A hand scan held against a run, on a simulated library whose truth makes the scan, with people's errors in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reports import find_exceptions
from reports.audit import HEARD, ORDER, SHELF, THERE, audit
from reports.audit_choice import choose_shelves
from reports.audit_scan import AuditError, parse_scan, read_scan
from sim.library import make_library
from sim.library_folder import truth_of
from stacks.holdings import Holdings
from tests.reports.test_planted_library import coverage_of, positions_of


@pytest.fixture(scope="module")
def library():
    return make_library(900, seed=21)


@pytest.fixture(scope="module")
def holdings(library):
    return Holdings.of(library.holdings)


def rows_of(library, holdings):
    """Barcodes on each shelf from left to right, as they really stand."""
    truth = truth_of(library)
    there = np.flatnonzero(truth.present)
    there = there[np.argsort(truth.offset_m[there])]
    rows = {shelf.id: [] for _, shelf in library.shelves()}
    for i in there.tolist():
        book = holdings.by_epc.get(truth.epc[i])
        if book is not None:
            rows[truth.shelf_id[i]].append(book.barcode)
    return rows


def exact_run(library):
    truth = truth_of(library)
    there = np.flatnonzero(truth.present)
    return positions_of(truth.select(there), library.plan, np.random.default_rng(3), sigma=0.0001, slips=0.0)


def scan_text(rows, shelves):
    return "\n".join(line for s in shelves for line in (f"shelf:{s}", *rows[s]))


def test_a_perfect_run_is_perfect_and_its_true_findings_are_true(library, holdings):
    positions, rows = exact_run(library), rows_of(library, holdings)
    findings = find_exceptions(positions, coverage_of(library.plan), library.plan, holdings)
    chosen = [c.shelf_id for c in choose_shelves(library.plan, holdings, 12, seed=4)]
    result = audit(
        parse_scan(scan_text(rows, chosen), library.plan, holdings),
        positions,
        findings,
        library.plan,
        holdings,
    )
    books = sum(len(rows[s]) for s in chosen)
    for name in (HEARD, SHELF, THERE):
        assert (result.shares[name].right, result.shares[name].of) == (books, books)
    assert result.shares[ORDER].right == result.shares[ORDER].of == books - len(chosen)
    said = {p.barcode for p in library.planted if p.kind == "wrong_shelf" and p.shelf in chosen}
    assert result.caught["wrong_shelf"].of == len(said) > 0
    assert result.alarms["wrong_shelf"].value == 1.0
    gone = {p.barcode for p in library.planted if p.kind == "missing" and p.shelf in chosen}
    assert result.caught["missing"].of == len(gone) > 0
    surveyed = result.surveyed
    assert surveyed.present.sum() == books
    assert gone <= set(surveyed.barcode[~surveyed.present])
    first = rows[chosen[0]]
    assert surveyed.barcode[surveyed.shelf_id == chosen[0]][: len(first)].tolist() == first


def test_one_missed_scan_shifts_nothing(library, holdings):
    positions, rows = exact_run(library), rows_of(library, holdings)
    shelf = max(rows, key=lambda s: len(rows[s]))
    dropped = rows[shelf][10]
    rows[shelf] = rows[shelf][:10] + rows[shelf][11:]
    result = audit(
        parse_scan(scan_text(rows, [shelf]), library.plan, holdings), positions, [], library.plan, holdings
    )
    n = len(rows[shelf])
    assert (result.shares[ORDER].right, result.shares[ORDER].of) == (n - 1, n - 1)
    assert (result.shares[THERE].right, result.shares[THERE].of) == (n, n + 1)
    assert [(b.barcode, b.what) for b in result.books if b.what.startswith("placed here")] == [
        (dropped, "placed here, not scanned")
    ]


def test_what_the_radio_has_wrong_is_counted(library, holdings):
    positions, rows = exact_run(library), rows_of(library, holdings)
    shelf, other = sorted(rows, key=lambda s: -len(rows[s]))[:2]
    at = {e: n for n, e in enumerate(positions.epc.tolist())}
    epc = [holdings.by_barcode[b].epc for b in rows[shelf]]
    deaf, strayed, a, b = (at[epc[n]] for n in (3, 7, 12, 14))
    positions.shelf_id[strayed] = other
    positions.offset_m[[a, b]] = positions.offset_m[[b, a]]
    positions.rank[[a, b]] = positions.rank[[b, a]]
    positions = positions.select(np.arange(len(positions)) != deaf)
    result = audit(
        parse_scan(scan_text(rows, [shelf]), library.plan, holdings), positions, [], library.plan, holdings
    )
    n = len(epc)
    assert (result.shares[HEARD].right, result.shares[HEARD].of) == (n - 1, n)
    assert (result.shares[SHELF].right, result.shares[SHELF].of) == (n - 2, n - 1)
    # Two books exchanged across a third: the pairs around them.
    assert result.shares[ORDER].of - result.shares[ORDER].right == 2
    what = {b.what: b for b in result.books}
    assert what["not heard"].barcode == rows[shelf][3]
    assert (what["placed elsewhere"].barcode, what["placed elsewhere"].detail) == (rows[shelf][7], other)
    assert sum(b.what == "out of our order" for b in result.books) == 2


def test_false_alarms_and_what_was_not_found(library, holdings):
    positions, rows = exact_run(library), rows_of(library, holdings)
    findings = find_exceptions(positions, coverage_of(library.plan), library.plan, holdings)
    wrong = next(f for f in findings if f.kind == "wrong_shelf")
    shelf = wrong.shelf_id
    right = next(
        b for b in rows[shelf] if b != wrong.barcode and holdings.by_barcode[b].home_location == shelf
    )
    lie = replace(wrong, barcode=right, epc=holdings.by_barcode[right].epc, finding_id="x")
    kept = [f for f in findings if f.barcode != wrong.barcode]
    scan = parse_scan(scan_text(rows, [shelf]), library.plan, holdings)
    result = audit(scan, positions, [*kept, lie], library.plan, holdings)
    assert result.alarms["wrong_shelf"].of - result.alarms["wrong_shelf"].right == 1
    assert result.caught["wrong_shelf"].of - result.caught["wrong_shelf"].right == 1
    looked = {(b.barcode, b.what, b.detail) for b in result.books}
    assert (right, "false alarm", "wrong_shelf") in looked
    assert (wrong.barcode, "not found", "wrong_shelf") in looked


def test_people_and_spreadsheets_err(library, holdings):
    rows = rows_of(library, holdings)
    a, b = [s for s in rows if len(rows[s]) > 6][:2]
    one, two, three, four = rows[a][:4]
    bad = three[:-1] + str((int(three[-1]) + 1) % 10)
    text = "\r\n".join([
        "# a comment", f"Shelf: {a}", one, one, f"*{two}*", bad, "3.1E+13", f"{four}.0", "99999", "",
        f"shelf:{b}", two, *rows[b][:2],
    ])  # fmt: skip
    scan = parse_scan(text, library.plan, holdings)
    assert scan.shelves[0].barcodes == (one, two, four)
    assert scan.shelves[0].strange == (bad, "3.1E+13", "99999")
    assert scan.shelves[1].barcodes == tuple(rows[b][:2])
    said = "\n".join(scan.notes)
    for words in (
        f"Line 4: {one} twice in a row", f"{bad} has a wrong check digit", "3.1E+13 is a barcode that a spreadsheet",
        f"{four}.0 was taken for {four}", "99999 is not in the catalogue", f"{two} was scanned 2 times, on {a}, {b}",
    ):  # fmt: skip
        assert words in said


def test_a_table_with_merged_cells_and_leading_zeros_lost(library):
    rows = [replace(h, barcode=f"00{n:05d}") for n, h in enumerate(library.holdings)]
    holdings = Holdings.of(rows)
    shelf = library.shelves()[3][1].id
    for mark in ",;\t":
        text = (
            f"Barcode{mark}note{mark}Shelf\n17{mark}{mark}{shelf}\n0000018{mark}x{mark}\n19.00{mark}{mark}\n"
        )
        scan = parse_scan(text, library.plan, holdings)
        assert scan.shelves[0].shelf_id == shelf
        assert scan.shelves[0].barcodes == ("0000017", "0000018", "0000019")


def test_shelves_are_named_by_id_mark_or_label():
    library = make_library(200, seed=5, labels=True)
    holdings = Holdings.of(library.holdings)
    shelves = [s for _, s in library.shelves()]
    code = library.holdings[0].barcode
    text = f"{shelves[0].id}\n{code}\n{shelves[1].tag.lower()}\nshelf:{shelves[2].id}"
    scan = parse_scan(text, library.plan, holdings)
    assert [s.shelf_id for s in scan.shelves] == [s.id for s in shelves[:3]]
    assert scan.shelves[2].barcodes == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shelf:nowhere\n", "no shelf 'nowhere' in the plan"),
        ("{code}\n", "line 1: a barcode before any shelf"),
        (
            "shelf:{a}\n{code}\nshelf:{b}\nshelf:{a}\n",
            "line 4: shelf {a} is scanned a second time (first in line 1)",
        ),
        (
            "shelf:{a}\n{code}\nshelf:{a}\n{code}\n",
            "line 3: shelf {a} is scanned a second time (first in line 1)",
        ),
        ("shelf:{a}\nempty\n{code}\n", "line 3: a barcode below the line that shelf {a} is empty"),
        ("# nothing\n", "has no shelf"),
        ("where,what\n1,2\n", "needs the columns shelf and barcode"),
        ("shelf,barcode\n{a}," + "9" * 200_000 + "\n", "line 2: is no row of a table"),
    ],
)
def test_scans_that_cannot_be_used_are_refused_in_one_line(library, holdings, text, words):
    names = {
        "code": holdings.rows[0].barcode,
        "a": library.shelves()[0][1].id,
        "b": library.shelves()[1][1].id,
    }
    with pytest.raises(AuditError) as error:
        parse_scan(text.format(**names), library.plan, holdings, "scan.txt")
    assert str(error.value).startswith("scan.txt: ") and words.format(**names) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_files_are_read_as_machines_write_them(library, holdings, tmp_path, ends, encoding):
    shelf, barcode = library.shelves()[0][1].id, holdings.rows[0].barcode
    for n, text in enumerate(
        (f"架：{shelf}\n{barcode}\n# 文学阅览室\n", f"shelf,barcode,备注\n{shelf},{barcode},文学阅览室\n")
    ):
        file = tmp_path / f"{n}.txt"
        file.write_bytes(text.replace("\n", ends).encode(encoding))
        scan = read_scan(file, library.plan, holdings)
        assert [(s.shelf_id, s.barcodes) for s in scan.shelves] == [(shelf, (barcode,))]


def test_every_shelf_is_chosen_as_often():
    library = make_library(700, seed=6)
    holdings = Holdings.of(library.holdings)
    times = {}
    for seed in range(300):
        for c in choose_shelves(library.plan, holdings, 5, seed):
            times[c.shelf_id] = times.get(c.shelf_id, 0) + 1
    used = {h.home_location for h in holdings.rows if h.status == "available"}
    assert set(times) == used
    expected = 300 * 5 / len(used)
    chi = sum((n - expected) ** 2 / expected for n in times.values())
    assert chi < 2 * len(used)
    assert choose_shelves(library.plan, holdings, 5, 1) == choose_shelves(library.plan, holdings, 5, 1)
    assert len(choose_shelves(library.plan, holdings, 10_000, 1)) == len(used)


def test_what_was_not_scanned_is_no_empty_shelf(library, holdings):
    positions, rows = exact_run(library), rows_of(library, holdings)
    a, b, c = [s.shelf_id for s in choose_shelves(library.plan, holdings, 3, seed=4)]

    def told(text):
        return audit(parse_scan(text, library.plan, holdings), positions, [], library.plan, holdings)

    with pytest.raises(AuditError, match="no barcode at all was scanned"):
        told(f"shelf:{a}\nshelf:{b}\n")
    with pytest.raises(AuditError, match="none of the 1 barcode scanned is in the catalogue"):
        told(f"shelf:{a}\nnobody's\nshelf:{b}\n")
    result = told("\n".join((scan_text(rows, [a]), f"shelf:{b}", f"shelf:{c}", "empty")))
    assert set(result.shelves) == {a, c} == set(result.surveyed.shelf_id)
    assert any(str(n).startswith(f"Nothing was scanned on {b}") for n in result.notes)
    assert not result.surveyed.present[result.surveyed.shelf_id == c].any()
