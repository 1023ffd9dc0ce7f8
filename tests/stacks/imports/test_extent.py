"""Workbooks that are small as files and huge as sheets: refused before anybody makes room for them."""

import resource
import subprocess
import sys
import zipfile

import openpyxl
import pytest

from stacks.errors import HoldingsError
from stacks.imports.extent import check_extent
from stacks.imports.table import open_table

ODS = (
    '<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>'
    '<table:table table:name="S">{}</table:table></office:spreadsheet></office:body></office:document-content>'
)
CELL = '<table:table-cell office:value-type="string"{}><text:p>{}</text:p></table:table-cell>'
MANIFEST = (
    '<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
    '<manifest:file-entry manifest:full-path="/" '
    'manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>'
)


def far_xlsx(file):
    """A list of two rows, and one cell with a blank in the last corner."""
    book = openpyxl.Workbook()
    book.active.append(["barcode"])
    book.active.append(["B1"])
    book.active["XFD1048576"] = " "
    book.save(file)
    return file


def ods(file, rows):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        made.writestr("META-INF/manifest.xml", MANIFEST)
        made.writestr("content.xml", ODS.format(rows))
    return file


def limited():
    """So that what would ask for hundreds of gigabytes ends a child, and nothing else."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


def far_ods(file):
    row = '<table:table-row table:number-rows-repeated="1000000">{}</table:table-row>'
    return ods(file, row.format(CELL.format(' table:number-columns-repeated="16000"', "B1")))


@pytest.mark.parametrize(("name", "make"), [("a.xlsx", far_xlsx), ("a.ods", far_ods)])
def test_a_small_file_with_a_huge_sheet_is_refused_in_a_line(tmp_path, name, make):
    file = make(tmp_path / name)
    assert file.stat().st_size < 8000
    code = (
        "import sys; from stacks.imports.table import open_table\n"
        "try: open_table(sys.argv[1])\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        capture_output=True,
        text=True,
        preexec_fn=limited,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-300:]
    (line,) = done.stdout.splitlines()
    assert str(file) in line and "cells" in line and "CSV" in line


def test_sheets_that_end_with_repeated_blanks_are_read(tmp_path):
    """Every ODS of LibreOffice ends so."""
    end = '<table:table-cell table:number-columns-repeated="16383"/>'
    rows = "".join(
        f"<table:table-row>{CELL.format('', text)}{end}</table:table-row>" for text in ("barcode", "B1")
    )
    rows += (
        '<table:table-row table:number-rows-repeated="1048574">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    made = open_table(ods(tmp_path / "a.ods", rows))
    assert made.header == ["barcode"] and [b.fields for b in made.blocks] == [[["B1"]]]


def test_sheets_that_begin_far_down_or_have_a_coloured_last_cell_are_read(tmp_path):
    book = openpyxl.Workbook()
    for row, text in enumerate(("barcode", "B1"), 1_000_000):
        book.active.cell(row, 200, text)
    book.active["XFD1048576"].fill = openpyxl.styles.PatternFill("solid", "FFFF00")
    book.save(tmp_path / "a.xlsx")
    made = open_table(tmp_path / "a.xlsx")
    assert made.header == ["barcode"] and [b.fields for b in made.blocks] == [[["B1"]]]


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="1"><c t="str"><v>a</v></c></row><row r="1048576">'
        + '<c t="str"><v> </v></c>' * 2000
        + "</row>",
        "<row><c s='1' r = 'A1' t='str'><v>a</v></c></row><row><c\nr='XFD1048576' t='str'><v> </v></c></row>",
        '<x:row r="1"><x:c r="a1"><x:v>1</x:v></x:c></x:row><x:row r="9"><x:c r="xfd99999"><x:v>1</x:v></x:c></x:row>',
    ],
)
def test_sheets_of_other_hands_are_measured_as_well(tmp_path, rows):
    file = tmp_path / "a.xlsx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/other/name.XML", f"<worksheet><sheetData>{rows}</sheetData></worksheet>")
    with pytest.raises(HoldingsError, match="has a sheet of"):
        check_extent(file)


def test_a_workbook_that_unpacks_without_end_is_refused(tmp_path):
    file = tmp_path / "a.xlsx"
    zipped = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with zipped as made, made.open("xl/a.xml", "w", force_zip64=True) as part:
        for _ in range(33):
            part.write(bytes(64 << 20))
    with pytest.raises(HoldingsError, match="unpacks to more than 2 GiB"):
        check_extent(file)
