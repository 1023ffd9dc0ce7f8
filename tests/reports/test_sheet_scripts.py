"""Every script on the sheets: fonts, Chinese, and what is read from the right."""

from __future__ import annotations

from dataclasses import replace

import openpyxl
import pypdfium2 as pdfium
import pytest
from pypdf import PdfReader

from reports import Finding, fonts, write_documents
from reports.right_to_left import visual
from tests.reports.sheets import MARGIN_MM, flat, ink, pages, report_of


def embedded(path):
    """Names of the fonts of a PDF, and whether each is in the file."""
    found = {}
    for page in PdfReader(path).pages:
        for font in page["/Resources"]["/Font"].values():
            font = font.get_object()
            inner = font.get("/DescendantFonts", [font])[0].get_object()
            descriptor = inner.get("/FontDescriptor")
            found[str(font["/BaseFont"])] = descriptor is not None and "/FontFile2" in descriptor.get_object()
    return found


def test_chinese_is_embedded_and_can_be_searched(library, tmp_path):
    if fonts.find_cjk_font() is None:
        pytest.skip("no Chinese TrueType font on this machine: fonts-wqy-microhei or fonts-droid-fallback")
    library.set_status(library.on("A-01-3")[5], "loaned")
    epc = library.on("A-01-3")[5]
    library.change(epc, title="图书馆学基础：𠮷野与“测试”——第三版")
    made = write_documents(report_of(library, language="zh"), tmp_path)
    for file in (made.pdf, made.picklist):
        inside = embedded(file)
        assert all(there for name, there in inside.items() if "Helvetica" not in name)
        assert any("+" in name for name in inside), "no subset of a font is in the file"
        document = pdfium.PdfDocument(file)
        text = document[0].get_textpage().get_text_range()
        document.close()
        assert "图书馆学基础：" in text
        assert "索书号" in text or "现位置" in text


def test_without_any_font_the_sheets_still_come(library, tmp_path, monkeypatch):
    for name in ("_CJK_FILES", "_WIDE_FILES"):
        monkeypatch.setattr(fonts, name, ())
    caches = (fonts._fallbacks, fonts._font_of, fonts._first_usable, fonts._has_cjk)
    for cache in caches:
        cache.cache_clear()
    try:
        library.set_status(library.on("A-01-3")[5], "loaned")
        library.change(library.on("A-01-3")[5], title="图书馆学基础")
        made = write_documents(report_of(library, language="zh"), tmp_path)
        assert "STSong" in " ".join(embedded(made.pdf))
        assert "自带字体" in flat(" ".join(pages(made.pdf)))
    finally:
        for cache in caches:
            cache.cache_clear()


@pytest.mark.parametrize(
    ("title", "seen"),
    [
        ("שלום עולם", "םלוע םולש"),
        ("ספר (א) 12", "(א) רפס 12"),
        ("باب", "\ufe8f\ufe8e\ufe91"),
        ("لا", "\ufefb"),
        ("سلام", "\ufee1\ufefc\ufeb3"),
        ("Abc", "Abc"),
    ],
)
def test_titles_from_the_right(title, seen):
    assert visual(title) == seen


def test_every_script_on_one_sheet(library, tmp_path):
    titles = [
        "كتاب الأغاني",
        "שלום עולם",
        "W" * 200,
        "汉" * 300,
        "word " * 300,
        "",
        "=1+1",
        "\t=1",
        "\r=1",
        "＝1",
        "＠x",
    ]
    shelf = library.on("A-01-3")
    findings = [
        Finding("on_shelf_loaned", f"f{i}", epc=f"E{i}", barcode=f"B{i}", call_number="QA76.9 .D3", title=title,
                shelf_id="A-01-3", offset_m=library.at(shelf[i])[1], belongs="x" * 300, confidence=0.9, evidence=title)
        for i, title in enumerate(titles)
    ]  # fmt: skip
    for language in ("en", "zh"):
        made = write_documents(
            replace(report_of(library, language=language), findings=tuple(findings)), tmp_path
        )
        assert len(pages(made.pdf)) <= 3
        assert all(right < 210 - MARGIN_MM for _, _, right, _, _ in ink(made.pdf))
        for sheet in openpyxl.load_workbook(made.xlsx):
            assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
        assert made.html.read_text().count('dir="auto"') >= len(titles)
