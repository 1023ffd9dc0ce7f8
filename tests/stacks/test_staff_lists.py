"""Lists as staff have them: plain barcodes, tables and workbooks, with notes and last days."""

import datetime as dt
import json

import openpyxl
import pytest
import xlsxwriter

from stacks.errors import HoldingsError
from stacks.staff_lists import ListNote, ListRow, StaffList, read_staff_list


def write(tmp_path, text, name="list.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_plain_barcodes_one_a_line(tmp_path):
    made = read_staff_list(write(tmp_path, "3964001\n3964002\n\n3964003\n"), "Spring", "weeding")
    assert [r.barcode for r in made.rows] == ["3964001", "3964002", "3964003"]
    assert not made.search and made.notes == ()


def test_one_barcode_alone(tmp_path):
    assert read_staff_list(write(tmp_path, "B00017"), "One").rows == (ListRow("B00017"),)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Barcode,Title,Note,Until\nB1,A,by the window,2026-12-31\nB2,B,,\n", "utf-8-sig"),
        ("Strichcode;Bemerkung;Gültig bis\nB1;by the window;31.12.2026\nB2;;\n", "cp1252"),
        ("条码\t备注\t截止日期\nB1\tby the window\t2026-12-31\nB2\t\t\n", "gb18030"),
    ],
)
def test_tables_in_three_languages(tmp_path, text, encoding):
    made = read_staff_list(write(tmp_path, text, encoding=encoding), "Course", "wanted")
    assert made.rows == (ListRow("B1", "by the window", dt.date(2026, 12, 31)), ListRow("B2"))
    assert made.search


def test_a_workbook(tmp_path):
    path = tmp_path / "list.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for i, row in enumerate((["Barcode", "Remark"], [39640000000073, "spine torn"], ["0012", ""])):
            sheet.write_row(i, 0, row)
    made = read_staff_list(path, "Bindery", "binding")
    assert made.rows == (ListRow("39640000000073", "spine torn"), ListRow("0012"))


def test_a_barcode_that_a_spreadsheet_rounded_is_refused(tmp_path):
    with pytest.raises(HoldingsError, match=r"row 1 .*3\.964E\+13.*as text"):
        read_staff_list(write(tmp_path, "barcode,note\n3.964E+13,x\n"), "Bad")


def test_what_is_left_out_is_said(tmp_path):
    made = read_staff_list(write(tmp_path, "barcode,note\nB1,a\n,b\nB1,c\nB2,x,y\n"), "Some")
    assert [r.barcode for r in made.rows] == ["B1"] and made.rows[0].note == "a"
    assert made.notes == (
        ListNote("fields", 4, 5, 3, 2),
        ListNote("no_barcode", 2, 3),
        ListNote("twice", count=1),
    )
    assert StaffList.from_json(json.loads(json.dumps(made.to_json()))) == made
    old = made.to_json() | {"notes": ["row 2 (line 3): has no barcode, and is left out"]}
    assert StaffList.from_json(old).notes == (ListNote("said", text=old["notes"][0]),)


@pytest.mark.parametrize(
    ("text", "barcodes"),
    [
        ("item number\n123\n456\n", ["123", "456"]),
        ("123\nx\n456\n", ["123", "x", "456"]),
        ("ABC\nDEF\nGHI\n", ["ABC", "DEF", "GHI"]),
        ("AB1\nAB2\n", ["AB1", "AB2"]),
        ("ABC\n", ["ABC"]),
    ],
)
def test_the_first_line_of_one_column_is_a_name_if_it_alone_has_no_digit(tmp_path, text, barcodes):
    assert [r.barcode for r in read_staff_list(write(tmp_path, text), "One").rows] == barcodes


def test_a_short_row_keeps_its_copy(tmp_path):
    made = read_staff_list(write(tmp_path, "barcode,note\n1\n2,ok\n"), "Short")
    assert made.rows == (ListRow("1"), ListRow("2", "ok")) and made.notes == ()


@pytest.mark.parametrize(
    "until", ["2026-12-31T23:30:00-05:00", "2026-12-31T00:30:00+08:00", "31.12.2026", "20261231"]
)
def test_the_last_day_is_the_day_that_is_written(tmp_path, until):
    (row,) = read_staff_list(write(tmp_path, f"barcode,until\n1,{until}\n"), "Show").rows
    assert row.until == dt.date(2026, 12, 31)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("title,author\na,b\n", "no column is named barcode"),
        ("barcode\n", "no barcodes"),
        ("barcode,until\nB1,31/12/26\n", "is no day"),
    ],
)
def test_a_file_that_is_no_list_is_refused_in_one_line(tmp_path, text, why):
    with pytest.raises(HoldingsError, match=why) as refused:
        read_staff_list(write(tmp_path, text), "Bad")
    assert "\n" not in str(refused.value)


def test_names_and_purposes_are_checked():
    for name, purpose in (("", "search"), ("two\nlines", "search"), ("x" * 81, "search"), ("ok", "burn")):
        with pytest.raises(HoldingsError):
            StaffList(name, purpose, ())


def test_rows_expire_after_their_last_day():
    made = StaffList("Show", "exhibition", (ListRow("B1", until=dt.date(2026, 5, 1)), ListRow("B2")))
    assert [r.barcode for r in made.current(dt.date(2026, 5, 1))] == ["B1", "B2"]
    assert [r.barcode for r in made.current(dt.date(2026, 5, 2))] == ["B2"]


def test_json_gives_the_same_list_back(tmp_path):
    path = write(tmp_path, "barcode,note,until\nB1,a,2026-01-02\nB1,,\n")
    made = read_staff_list(path, "备选", "hold")
    assert StaffList.from_json(made.to_json()) == made


def test_sheets_that_were_not_read_are_named(tmp_path):
    book = openpyxl.Workbook()
    for name in ("First", "Second"):
        sheet = book.create_sheet(name)
        sheet.append(["barcode"])
        sheet.append(["B1"])
    book.save(tmp_path / "a.xlsx")
    assert read_staff_list(tmp_path / "a.xlsx", "L").notes == (
        ListNote("said", text="its other sheets were not read: Sheet, Second"),
    )


def test_a_header_with_a_line_break_is_told_in_one_line(tmp_path):
    with pytest.raises(HoldingsError, match="no column is named barcode") as caught:
        read_staff_list(write(tmp_path, 'a,"b\nc\r\nd"\n1,2\n'), "L")
    assert len(str(caught.value).splitlines()) == 1
