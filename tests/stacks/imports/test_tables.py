"""Tables as other systems write them, made by other hands where there are such: csv, openpyxl, Excel's forms."""

import csv
import datetime as dt
import io
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.call_numbers import CallNumberPolicy, sort_key
from stacks.holdings import HoldingsError, read_holdings, write_holdings
from stacks.imports import Mapped, import_holdings, read_mapping
from tests.stacks.imports.tables import GERMAN, imported, write


def test_a_koha_csv_export(tmp_path):
    file = write(
        tmp_path / "koha.csv",
        "biblio.title|items.barcode|items.itemcallnumber|items.cn_source|items.location|items.issues|items.datelastborrowed|status|borrower\n"
        '"A ""B"" C"|31001|813.54 ROW|ddc|GEN|12|2026-10-01|Available|Some Name\n'
        "D|31002|QA76.9 .D3|lcc|REF||24.12.2025|Checked out|Another Name\n",
    )
    made = imported(file)
    first, second = made.holdings
    assert (first.title, first.scheme, first.extra) == (
        'A "B" C',
        "ddc",
        {"loans": "12", "last_activity": "2026-10-01T00:00:00Z"},
    )
    assert (second.status, second.extra["last_activity"]) == ("loaned", "2025-12-24T00:00:00Z")
    assert "Some Name" not in made.holdings.to_csv()
    assert any("borrower" in note and "left out" in note for note in made.notes)


def test_mapping_by_options_and_by_file(tmp_path):
    file = write(
        tmp_path / "x.csv",
        "Item Barcode,Class,Mark,Cond,Kind,Colour\n0012,QA 1,.A5,fine,L of C,red\n0013,QA 2,.B5,gone,L of C,blue\n",
    )
    with pytest.raises(HoldingsError, match=r"no column looks like call_number.*Item Barcode, Class"):
        imported(file)
    columns = ("columns:call_number=Class+Mark", "columns:status=Cond", "columns:scheme=Kind")
    with pytest.raises(
        HoldingsError,
        match=r"no status of ours is known for 'fine' \(1 time\), 'gone' \(1 time\).*--status 'fine=available'",
    ):
        imported(file, *columns)
    words = ("statuses:fine=available", "statuses:gone=missing")
    with pytest.raises(HoldingsError, match="no scheme of ours is known for 'L of C'"):
        imported(file, *columns, *words)
    by_options = imported(file, *columns, *words, "schemes:L of C=lcc", "keep:Colour").holdings
    toml = write(
        tmp_path / "site.toml",
        'keep = ["Colour"]\n[columns]\ncall_number = ["Class", "Mark"]\nstatus = "Cond"\nscheme = "Kind"\n'
        '[statuses]\nfine = "available"\ngone = "missing"\n[schemes]\n"L of C" = "lcc"\n',
    )
    assert import_holdings(file, read_mapping(toml)).holdings == by_options
    assert by_options.rows[0].call_number == "QA 1 .A5"
    assert by_options.rows[1].status == "missing"
    assert by_options.rows[0].extra == {"Colour": "red"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("what = 1", "'what' is none of"),
        ("[columns]\nbarcode = 3", "columns.barcode"),
        ("[columns]\nbar = 'x'", "'bar' is no column of ours"),
        ("[statuses]\nx = 'fine'", "none of available"),
        ("[set]\nscheme = 'dewey'", "none of lcc"),
        ("not toml", "no usable TOML"),
    ],
)
def test_a_wrong_mapping_file_is_refused(tmp_path, text, what):
    with pytest.raises(HoldingsError, match=what):
        read_mapping(write(tmp_path / "m.toml", text))


def test_rows_that_cannot_be_used_are_counted_and_named_and_too_many_refused(tmp_path):
    good = "".join(f"{i:05d},QA {i + 1},available,E2{i:04X}\n" for i in range(300))
    file = write(
        tmp_path / "x.csv",
        "barcode,call_number,status,epc\n" + good + ",QA 7,available,\n9,QA 8\n10,QA 9,available,XYZ\n",
    )
    made = imported(file, "constants:scheme=lcc", most_bad=0.02)
    assert len(made.holdings) == 300 and made.left_out_count == 3 and made.rows == 303
    assert sorted(made.left_out) == [
        "row 301 (line 302): has no barcode",
        "row 302 (line 303): has 2 fields where the header has 4",
        "row 303 (line 304): epc 'XYZ' is no hexadecimal of whole bytes",
    ]
    with pytest.raises(HoldingsError, match=r"3 of 303 rows.*--most-bad"):
        imported(file, "constants:scheme=lcc", most_bad=0.0)


def test_a_spreadsheets_csv_forms(tmp_path):
    file = write(
        tmp_path / "x.csv",
        'sep=;\r\nbarcode;call_number;status;;\r\n="0012";QA 1;available;;\r\n3.1001E+13;QA 2;available;;\r\n'
        "0014;QA 3;available;;\r\n",
    )
    made = imported(file, "constants:scheme=lcc", most_bad=0.5)
    assert [h.barcode for h in made.holdings] == ["0012", "0014"]
    assert "shortened by a spreadsheet" in made.left_out[0]
    assert "row 2 (line 4)" in made.left_out[0]


def test_an_apostrophe_before_a_barcode_is_no_part_of_it(tmp_path):
    made = imported(
        write(tmp_path / "x.csv", "barcode,call_number,title\n'0012,QA 1,'Tis pity\n0013,QA 2,x\n"),
        "constants:scheme=lcc",
        "constants:status=available",
    )
    assert [(h.barcode, h.title) for h in made.holdings] == [("0012", "'Tis pity"), ("0013", "x")]
    assert any("1 barcodes began with an apostrophe" in note for note in made.notes)


@pytest.mark.parametrize(("column", "length"), [("barcode", 202), ("title", 1 << 17)])
def test_what_is_too_long_to_be_read_again_is_left_out(tmp_path, column, length):
    values = {"barcode": "1", "title": "t"} | {column: "x" * (length - 1)}
    text = f"barcode,call_number,title\n{values['barcode']},QA 1,{values['title']}\n2,QA 2,u\n"
    words = ("constants:scheme=lcc", "constants:status=available")
    made = imported(write(tmp_path / "x.csv", text), *words, most_bad=0.5)
    write_holdings(tmp_path / "holdings.csv", made.holdings)
    assert [h.barcode for h in read_holdings(tmp_path / "holdings.csv")] == ["2"]
    assert f"{column} has {length - 1:,} characters" in made.left_out[0]


@pytest.mark.parametrize("named", ["hex", "klingon", "undefined", "rot13"])
def test_what_is_no_encoding_of_text_is_refused(tmp_path, named):
    with pytest.raises(HoldingsError, match="is no encoding"):
        imported(write(tmp_path / "x.csv", GERMAN), encoding=named)


def workbook(path: Path, rows, number_formats=()):
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    book.create_sheet("Notes").append(["nothing"])
    book.save(path)
    return path


def test_a_workbook_and_what_it_did_to_its_cells(tmp_path):
    rows = [["Item Barcode", "Call number", "Title", "Status", "Last borrowed", "Checkouts"]]
    rows += [[f"{i:08d}", f"{100 + i}.5 ABC", "T", "Available", dt.date(2026, 3, 4), 7] for i in range(400)]
    rows[10][0] = 31001
    rows[11][0] = 31001_0000_0000_1234
    rows[12][1] = dt.date(2026, 10, 12)
    rows[13][1] = 5.133
    file = workbook(tmp_path / "x.xlsx", rows)
    made = imported(file, "constants:scheme=ddc", "constants:title=x")
    notes = "\n".join(made.notes)
    assert len(made.holdings) == 399
    assert "rounded" in made.left_out[0] and made.left_out[0].startswith("row 12: ")
    by = made.holdings.by_barcode
    assert by["31001"].extra == {"last_activity": "2026-03-04T00:00:00Z", "loans": "7"}
    assert by["00000011"].call_number == ""
    assert by["00000012"].call_number == "005.133"
    assert "1 barcodes are numbers" in notes and "became dates" in notes and "three digits" in notes
    assert "--barcode-width 8" in notes and "Notes" in notes
    assert made.unreadable["ddc"].empty == 1
    wide = imported(file, "constants:scheme=ddc", barcode_width=8)
    assert "00031001" in wide.holdings.by_barcode


def test_dewey_numbers_that_a_workbook_made_numbers(tmp_path):
    rows = [["Barcode", "Class", "Author", "Title", "Status", "Scheme"]]
    cells = [
        (92, ""),
        (92, "LIN"),
        (5, ""),
        (5, "HUN v.2"),
        (20, "ABC"),
        (92.4, ""),
        (100, "A"),
        ("092", ""),
        (813.5, ""),
    ]
    rows += [[f"{i:04d}", *cell, "T", "Available", "Dewey"] for i, cell in enumerate(cells)]
    file = workbook(tmp_path / "x.xlsx", rows)
    made = imported(file, "columns:call_number=Class+Author")
    assert list(made.holdings.column("call_number")) == [
        "92", "92 LIN", "005", "005 HUN v.2", "020 ABC", "092.4", "100 A", "092", "813.5",
    ]  # fmt: skip
    notes = "\n".join(made.notes)
    assert "4 Dewey numbers had lost zeros" in notes and "'5'" in notes
    (kept,) = [note for note in made.notes if "ddc_92" in note]
    assert kept.startswith("2 Dewey numbers are 92") and "'92', '92 LIN'" in kept
    assert "others had lost zeros" in kept
    assert "1 call numbers are numbers in the workbook" in notes


def test_92_of_a_workbook_stands_where_the_librarys_policy_has_it(tmp_path):
    rows = [["Barcode", "Call number", "Title", "Status"], ["1", 92, "A life", "Available"]]
    rows += [["2", 92, "A life", "Available"], ["3", 940, "History", "Available"]]
    made = imported(workbook(tmp_path / "x.xlsx", rows), "constants:scheme=ddc")
    (text, _, _) = made.holdings.column("call_number")
    assert text == "92"
    shelved, lost = CallNumberPolicy(), CallNumberPolicy(ddc_92="zero_lost")
    assert (
        sort_key("ddc", "919.9", shelved) < sort_key("ddc", text, shelved) < sort_key("ddc", "920", shelved)
    )
    assert sort_key("ddc", text, lost) == sort_key("ddc", "092", lost)
    (kept,) = [note for note in made.notes if "ddc_92" in note]
    assert "others" not in kept


def test_a_workbook_that_is_none_and_a_sheet_that_is_not_there(tmp_path):
    with pytest.raises(HoldingsError, match="no readable workbook"):
        imported(write(tmp_path / "x.xlsx", b"PK\x03\x04 no zip"))
    file = workbook(tmp_path / "y.xlsx", [["barcode", "call_number", "status"], ["1", "QA 1", "available"]])
    with pytest.raises(HoldingsError, match="has no sheet 'Z'; it has Sheet, Notes"):
        imported(file, sheet="Z")
    assert len(imported(file, "constants:scheme=lcc", sheet="Sheet").holdings) == 1


def test_tags_from_a_table_beside(tmp_path):
    file = write(tmp_path / "x.csv", "barcode,call_number,status\n0012,QA 1,available\n0013,QA 2,available\n")
    tags = write(tmp_path / "tags.csv", "Barcode;RFID\n0012;e2 80 11\n12;E29999\n999;E28888\n")
    made = imported(file, "constants:scheme=lcc", tags=tags)
    assert [h.epc for h in made.holdings] == ["E28011", ""]
    notes = "\n".join(made.notes)
    assert (
        "1 of 2 copies" in notes and "2 barcodes" in notes and "1 of those would be, but for zeros" in notes
    )
    with pytest.raises(HoldingsError, match=r"row 1 \(line 2\): epc 'zz'"):
        imported(file, "constants:scheme=lcc", tags=write(tmp_path / "bad.csv", "barcode,epc\n1,zz\n"))


def test_unreadable_call_numbers_are_counted_by_scheme(tmp_path):
    file = write(
        tmp_path / "x.csv",
        "barcode,call_number,status,scheme\n1,QA 1,available,lcc\n2,???,available,lcc\n3,,available,lcc\n"
        "4,813 A,available,ddc\n",
    )
    found = imported(file).unreadable
    assert (found["lcc"].copies, found["lcc"].empty, found["lcc"].unreadable, found["lcc"].examples) == (
        3,
        1,
        1,
        ("???",),
    )
    assert (found["ddc"].copies, found["ddc"].unreadable) == (1, 0)


_CELL = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Co", "Zl", "Zp", "Zs", "Cf"]), max_size=12
)


@given(
    rows=st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=20),
    delimiter=st.sampled_from(",;\t|"),
    ending=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_what_any_writer_of_csv_writes_is_read(tmp_path_factory, rows, delimiter, ending, encoding):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ending)
    writer.writerow(["barcode", "call_number", "title", "status", "scheme"])
    writer.writerows([f"b{i}", call, title, "available", "lcc"] for i, (call, title) in enumerate(rows))
    file = tmp_path_factory.mktemp("csv") / "x.csv"
    file.write_bytes(out.getvalue().encode(encoding))
    made = import_holdings(file, Mapped(), bad_text="keep")
    from stacks.imports.values import tidy

    assert [(h.call_number, h.title) for h in made.holdings] == [(tidy(c), tidy(t)) for c, t in rows]


def test_a_few_rows_with_umlauts_are_windows_1252(tmp_path):
    text = "barcode,call_number,title,status\n1,QA 1,Größe,available\n2,QA 2,Käse,available\n3,QA 3,Öl,available\n"
    file = tmp_path / "x.csv"
    file.write_bytes(text.encode("cp1252"))
    made = imported(file, "constants:scheme=lcc")
    assert [h.title for h in made.holdings.rows] == ["Größe", "Käse", "Öl"]
    assert any(
        "Windows-1252 (no valid UTF-8; as GB18030 it would be rare characters" in n for n in made.notes
    )
    # Rare Chinese characters alone are still nobody's guess.
    file.write_bytes("barcode,call_number,title,status\n1,TP3,囍堃喆,available\n".encode("gb18030"))
    with pytest.raises(HoldingsError, match="cannot be told"):
        imported(file, "constants:scheme=clc")


def test_one_bad_row_passes_in_files_of_a_hundred_only(tmp_path):
    head = "barcode,call_number,title,status\n"
    rows = "".join(f"{i},QA {i},T,available\n" for i in range(1, 100))
    with pytest.raises(HoldingsError, match=r"1 of 3 rows .*33\.3%"):
        imported(write(tmp_path / "x.csv", head + "1,QA 1,T,available\n2,QA 2,T,available\n,QA 3,T,available\n"),
                 "constants:scheme=lcc")  # fmt: skip
    made = imported(write(tmp_path / "y.csv", head + rows + ",QA 3,T,available\n"), "constants:scheme=lcc")
    assert made.left_out_count == 1


def test_a_status_column_is_found_or_the_columns_are_listed(tmp_path):
    text = "条码号,索书号,题名,借阅状态\n1,TP3/1,书,在架\n"
    assert (
        imported(write(tmp_path / "x.csv", text), "constants:scheme=clc").holdings.rows[0].status
        == "available"
    )
    with pytest.raises(HoldingsError, match=r"has no status; .*; it has barcode, call_number, Zustand"):
        imported(
            write(tmp_path / "y.csv", "barcode,call_number,Zustand\n1,QA 1,gut\n"), "constants:scheme=lcc"
        )
    (tmp_path / "z.parquet").write_bytes(b"PAR1\x15\x04PAR1")
    with pytest.raises(HoldingsError, match="is no table of text and no workbook"):
        imported(tmp_path / "z.parquet")
