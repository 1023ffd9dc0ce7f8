"""Tables whose header does not stand in the first row: titles, filters and blank rows above it."""

import csv
import io
import random

import openpyxl
import pytest

from stacks.errors import HoldingsError
from stacks.imports import import_holdings, mapping_of, read_ranges
from stacks.imports.tags import read_tags
from stacks.security import read_security
from stacks.staff_lists import ListNote, read_staff_list
from tests.stacks.imports.tables import imported, write
from tests.stacks.imports.test_extent import CELL, ods

HEADER = ["Barcode", "Signatur", "Titel", "Standort", "Status"]
ROWS = [
    ["31001", "QA 1 .A5", "Bücher, Käfer und Größe", "Lesesaal", "verfügbar"],
    ["31002", "QA 2 .B5", "Standort", "Magazin", "ausgeliehen"],
]
TITLES = {
    "title and blank": [["Inventory list, 2026-11-20"], []],
    "padded title": [["Bestandsliste; Stand 20.11.2026", "", "", "", ""], ["", "", "", "", ""]],
    "filters that use our words": [["Standort:", "Lesesaal", "Status:", "alle"], ["Barcode ab", "31000"]],
    "many rows": [[f"Zeile {i}, Hinweis"] for i in range(19)],
    "blank alone": [[], []],
}
WORDS = ("constants:scheme=lcc",)


def text_of(above, delimiter=";", ending="\r\n", header=HEADER):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ending)
    writer.writerows([*above, header, *ROWS])
    return out.getvalue()


def note_of(made):
    return [note for note in made.notes if note.startswith("header: ")]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", "\t", ",", "|"])
@pytest.mark.parametrize("above", TITLES.values(), ids=TITLES)
def test_the_header_is_found_below_titles(tmp_path, above, delimiter, encoding):
    file = write(tmp_path / "x.csv", text_of(above, delimiter).encode(encoding))
    made = imported(file, *WORDS)
    assert [(h.barcode, h.call_number, h.title, h.home_location, h.status) for h in made.holdings] == [
        ("31001", "QA 1 .A5", "Bücher, Käfer und Größe", "Lesesaal", "available"),
        ("31002", "QA 2 .B5", "Standort", "Magazin", "loaned"),
    ]
    (note,) = note_of(made)
    assert f"line {len(above) + 1}" in note
    first = next((cell for row in above for cell in row if cell), None)
    assert (first in note) if first else "blank" in note


def test_a_header_in_the_first_row_is_not_worth_a_note(tmp_path):
    assert note_of(imported(write(tmp_path / "x.csv", text_of([])), *WORDS)) == []


def test_rows_are_counted_from_the_header_and_lines_from_the_top(tmp_path):
    text = text_of(TITLES["title and blank"]) + ";QA 3;Ohne;Magazin;verfügbar\r\n"
    made = imported(write(tmp_path / "x.csv", text), *WORDS, most_bad=0.5)
    assert made.left_out == ("row 3 (line 6): has no barcode",)


@pytest.mark.parametrize("above", TITLES.values(), ids=TITLES)
def test_the_header_of_a_workbook_with_a_merged_title(tmp_path, above):
    book = openpyxl.Workbook()
    sheet = book.active
    for at, row in enumerate([*above, HEADER, *ROWS], 1):
        for column, cell in enumerate(row, 1):
            sheet.cell(at, column, cell)
    sheet.merge_cells("A1:E1")
    book.save(tmp_path / "x.xlsx")
    made = imported(tmp_path / "x.xlsx", *WORDS)
    assert [h.barcode for h in made.holdings] == ["31001", "31002"]
    if above != TITLES["blank alone"]:
        (note,) = note_of(made)
        assert f"row {len(above) + 1}" in note


def test_the_header_of_an_ods(tmp_path):
    rows = "".join(
        "<table:table-row>" + "".join(CELL.format("", cell) for cell in row) + "</table:table-row>"
        for row in [["Inventory list"], HEADER, *ROWS]
    )
    assert len(imported(ods(tmp_path / "x.ods", rows), *WORDS).holdings) == 2


def test_the_21st_row_is_too_late(tmp_path):
    above = [[f"Zeile {i}"] for i in range(20)]
    with pytest.raises(HoldingsError, match=r"no column looks like barcode.*first 20 rows"):
        imported(write(tmp_path / "x.csv", text_of(above)), *WORDS)


def test_columns_that_are_mapped_count(tmp_path):
    header = ["Nr", "Klasse", "Cutter", "Art", "Wo"]
    rows = "".join(f"{i};QA {i};.A{i};da;hier\n" for i in range(1, 4))
    file = write(tmp_path / "x.csv", f"Liste, Stand heute\n\n{';'.join(header)}\n{rows}")
    words = ("columns:barcode=Nr", "columns:call_number=Klasse+Cutter", "constants:status=available")
    made = imported(file, *WORDS, *words)
    assert [h.call_number for h in made.holdings] == ["QA 1 .A1", "QA 2 .A2", "QA 3 .A3"]
    with pytest.raises(HoldingsError, match="no column looks like barcode or call_number"):
        imported(file, *WORDS, "constants:status=available")


HEADLESS = [
    "31001,QA 1,Barcode,available\n31002,QA 2,Other,available\n",
    "31001,QA 1,Status,Location\n31002,QA 2,Title,Barcode\n31003,QA 3,Signatur,Standort\n",
    "1,QA 1,Some book,in\n2,QA 2,Barcode,Status\n3,QA 3,x,in\n",
    "B00017;QA 1;Tag;Location\nB00018;QA 2;Title;Tag\n",
    "31001,QA 1,A,here\n31002,QA 2,B,there\nBarcode,Call number,Title,Location\n31003,QA 3,C,there\n",
]


@pytest.mark.parametrize("text", HEADLESS)
def test_a_row_of_data_is_no_header(tmp_path, text):
    first = text.split("\n", 1)[0].replace(",", ";").split(";")
    with pytest.raises(HoldingsError, match=f"no column looks like .*it has {first[0]}, {first[1]}"):
        imported(write(tmp_path / "x.csv", text), *WORDS)


def test_titles_of_books_never_beat_the_header(tmp_path):
    """Whatever rows of words stand below it: names of columns in any place."""
    draw = random.Random(4)
    words = ["Barcode", "Title", "Status", "Location", "Signatur", "EPC", "Tag", "Standort"]
    for above in ([], [["Inventory list, 2026-11-20"], []]):
        rows = [[f"{31000 + i}", *draw.choices(words, k=4)] for i in range(25)]
        text = "\n".join(",".join(row) for row in [*above, ["Barcode", "Signatur", "T", "U", "V"], *rows])
        made = imported(write(tmp_path / "x.csv", text), *WORDS, "constants:status=available")
        assert len(made.holdings) == 25


def test_blank_rows_between_copies_are_no_copies(tmp_path):
    text = text_of([]) + ";;;;\r\n;;;;\r\n"
    made = imported(write(tmp_path / "x.csv", text), *WORDS)
    assert (made.rows, made.left_out_count) == (2, 0)


def test_tags_security_ranges_and_lists_have_titles_too(tmp_path):
    def file(text):
        return write(tmp_path / "t.csv", text)

    title = "Handheld export, 2026-11-20\n\n"
    assert read_tags(file(f"{title}Barcode;RFID\n0012;E28011\n"))[0] == {"0012": "E28011"}
    read = read_security(file(f"{title}EPC;AFI\nE0AA;C2\n"))
    assert read.by_epc == {"E0AA": False} and any("Handheld export" in note for note in read.notes)
    ranges = read_ranges(file(f"{title}Shelf;Start\nS1;QA 1\nS2;QA 2\n"))
    assert [row.start for row in ranges.rows] == ["QA 1", "QA 2"]
    assert any(note.startswith("header: ") for note in ranges.notes)
    made = read_staff_list(file(f"{title}Barcode;Note\nB1;torn\n"), "Bindery", "binding")
    assert [(row.barcode, row.note) for row in made.rows] == [("B1", "torn")]
    assert made.notes == (ListNote("header", 0, 3, text="Handheld export, 2026-11-20"),)
    alone = read_staff_list(file("Weeding, spring\n\nBarcode\nB1001\nB1002\n"), "Spring", "weeding")
    assert [row.barcode for row in alone.rows] == ["B1001", "B1002"]
    plain = read_staff_list(file("3964001\nBarcode\n3964003\n"), "Bare")
    assert [row.barcode for row in plain.rows] == ["3964001", "Barcode", "3964003"]


def test_a_mapping_that_names_what_is_not_there_says_so(tmp_path):
    file = write(tmp_path / "x.csv", text_of(TITLES["title and blank"]))
    with pytest.raises(HoldingsError, match=r"has no column 'Strich'.*it has Barcode, Signatur"):
        import_holdings(file, mapping_of(columns=["barcode=Strich"]))
