"""Documents, read back with other people's readers."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import numpy as np
import openpyxl
import pytest
from pypdf import PdfReader
from reportlab.pdfbase.pdfmetrics import stringWidth

from recording import AntennaMount, Events, RunInfo
from reports import (
    Finding,
    build_mail,
    make_report,
    read_exceptions,
    write_documents,
)
from reports import fonts as fonts_module
from reports.html import mail_html
from reports.layout import lay_out
from reports.plain import plain_text

INFO = RunInfo(
    "run-7",
    "North Library",
    datetime(2026, 11, 20, 21, 0, tzinfo=UTC),
    "robot-1",
    (AntennaMount(1, "r", 1, "gen2", (0.0, 0.0, 1.0), (90.0, 0.0)),),
)
TITLES = (
    "红楼梦（脂砚斋重评石头记）",
    "吾輩は猫である",
    "토지",
    "Преступление и наказание",
    "كتاب الأغاني",
    "Ἰλιάς",
    "Emoji 😀🏴 and \U0010fffd",
    "e\u0301 composed, \ud800 lone surrogate, \x00\x07 control, \u202e reversed",
    '<script>alert(1)</script> & "quotes" \'single\'',
    "=HYPERLINK(\"http://evil.example\",\"x\")",
    "+1", "-1", "@SUM(A1)", "\tTAB", "\rCR", "\n=LF", "＝1+1", "＠SUM(A1)", "'=quoted",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3,
    "word " * 400,
    "汉" * 500,
    "",
)  # fmt: skip


def events(*rows):
    source, kind, detail = (np.array(column, object) for column in zip(*rows, strict=True))
    return Events(np.arange(len(rows)), source, kind, detail)


@pytest.fixture
def troubled(library):
    """One of most kinds."""
    library.insert(library.on("A-01-1")[3], "A-03-4", library.on("A-03-4")[5])
    order = library.on("A-02-3")
    library.insert(order[8], "A-02-3", order[1])
    library.insert(order[9], "A-02-3", order[8])
    del library.stands[library.on("A-01-3")[5]]
    library.set_status(library.on("A-01-4")[2], "loaned")
    library.strangers["AB" * 12] = ("A-01-3", 0.4)
    for epc in library.on("A-02-1"):
        del library.stands[epc]
    library.p_heard = {("A-02-1", 0.9, 1.8): 0.05}
    return library


def report_of(world, **more):
    return make_report(
        INFO,
        positions=world.positions(),
        coverage=world.coverage(),
        plan=world.plan,
        holdings=world.holdings(),
        ended_at=INFO.started_at + timedelta(hours=7),
        **more,
    )


def pdf_text(path):
    return " ".join(" ".join(page.extract_text().split()) for page in PdfReader(path).pages)


def flat(text):
    return " ".join(text.replace("\u00a0", " ").split())


class Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.addresses = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "action", "background")]

    def handle_data(self, data):
        self.text.append(data)


def parsed(html):
    reader = Words()
    reader.feed(html)
    return reader


def test_summary_counts_what_was_expected_and_heard(troubled):
    s = report_of(troubled).summary
    assert (s.copies, s.expected, s.expected_heard) == (144, 143, 130)
    assert s.tags_heard == 132
    assert s.coverage_share == pytest.approx(11 / 12, abs=0.01)
    shelf = {t.shelf_id: (t.expected, t.heard) for t in s.shelves}
    assert shelf["A-02-1"] == (12, 0)
    assert shelf["A-01-3"] == (12, 11)
    assert s.counts["wrong_order"] == 2
    assert s.to_act_on == 6


def test_every_document_says_what_there_is_to_do(troubled, tmp_path):
    report = report_of(troubled)
    d = write_documents(report, tmp_path / "run")
    assert sorted(p.name for p in d.folder.iterdir()) == [
        "exceptions.csv", "picklist.pdf", "report.html", "report.pdf", "report.xlsx",
    ]  # fmt: skip
    page, paper = flat(" ".join(parsed(d.html.read_text()).text)), flat(pdf_text(d.pdf))
    text = flat(plain_text(report))
    for f in report.findings:
        for shown in (page, paper, text):
            assert flat(f.belongs) in shown
            assert f.barcode in shown
            if f.kind == "zone_not_scanned":
                assert flat(f.evidence) in shown
    for shown in (page, paper, text):
        assert "2 books, one move" in shown
        assert shown.index("not scanned") < shown.index("Bay 1, level 4") < shown.index("Bay 2, level 3")
    sheet = openpyxl.load_workbook(d.xlsx)["Findings"]
    rows = list(sheet.iter_rows(min_row=2, values_only=True))
    # By the number that a line has in the mail and in the other documents; what has none comes last.
    lines = lay_out(report).lines
    numbered = [r for r in rows if r[0]]
    assert [(r[0], r[5] or "", r[18] or "") for r in numbered] == [
        (x.number, x.finding.barcode, x.finding.epc) for x in lines
    ]
    for x in lines:
        assert f"[ ] {x.number}. " in text or x in lay_out(report).doubts
    assert rows[: len(numbered)] == numbered
    assert sorted(r[5] or "" for r in rows) == sorted(f.barcode for f in report.findings)
    assert sheet.freeze_panes is not None
    assert sheet.auto_filter.ref
    assert [f.barcode for f in read_exceptions(d.csv)] == [f.barcode for f in report.findings]


def test_lines_stand_in_centimetres_from_the_shelf_s_left_end(troubled):
    report = report_of(troubled)
    lines = {x.finding.kind: x for s in lay_out(report).stretches for stop in s.stops for x in stop.lines}
    f = lines["wrong_shelf"].finding
    assert flat(lines["wrong_shelf"].stands) == f"{round((f.offset_m - 1.8) * 100)} cm from the left"
    assert lines["missing"].stands == ""


def test_same_report_same_bytes(troubled, tmp_path):
    report = report_of(troubled)
    one, two = write_documents(report, tmp_path / "1"), write_documents(report, tmp_path / "2")
    for a, b in zip(
        (one.html, one.pdf, one.csv, one.xlsx), (two.html, two.pdf, two.csv, two.xlsx), strict=True
    ):
        assert a.read_bytes() == b.read_bytes()


def test_the_page_needs_nothing_from_anywhere(troubled, tmp_path):
    html = write_documents(report_of(troubled), tmp_path).html.read_text()
    page = parsed(html)
    assert page.addresses == []
    assert "script" not in page.tags
    assert "viewport" in html
    assert page.tags.count("input") == sum(s.count for s in lay_out(report_of(troubled)).stretches)


@pytest.fixture(params=["fonts of this machine", "no fonts"])
def has_fonts(request, monkeypatch):
    if request.param == "no fonts":
        monkeypatch.setattr(fonts_module, "_CJK_FILES", ())
        monkeypatch.setattr(fonts_module, "_WIDE_FILES", ("Vera.ttf",))
    caches = (fonts_module._font_of, fonts_module._fallbacks)
    for cache in caches:
        cache.cache_clear()
    yield fonts_module.find_cjk_font() is not None
    for cache in caches:
        cache.cache_clear()


def test_any_title_can_be_written(troubled, tmp_path, has_fonts):
    report = report_of(troubled)
    findings = tuple(
        replace(f, title=title, call_number=title, belongs=title, evidence=title, finding_id=f"{i}-{k}")
        for k, f in enumerate(report.findings)
        for i, title in enumerate(TITLES)
    )
    report = replace(report, findings=findings, troubles=TITLES, notes=TITLES)
    d = write_documents(report, tmp_path)
    paper = flat(pdf_text(d.pdf))
    assert "吾輩" in paper or not has_fonts
    assert ("set in a font of your PDF reader" in paper) or has_fonts
    assert "<script>alert(1)</script>" in paper
    html = d.html.read_text()
    assert "script" not in parsed(html).tags
    assert "红楼梦" in html
    mail = build_mail(report, d, "desk@example.org", "nightstack@example.org")
    assert "红楼梦" in mail.get_body(("html",)).get_content()
    assert "红楼梦" in mail.get_body(("plain",)).get_content()
    mail.as_bytes()


def test_every_character_gets_a_font_that_has_it():
    drawn = fonts_module.runs("a\u200bb\tc \ud83d 中文")
    assert "".join(part for _, part in drawn).startswith("ab c")
    assert all(font in ("Helvetica", "NightstackWide", "NightstackCJK", "STSong-Light") for font, _ in drawn)
    assert fonts_module.runs("\U0010fffd") == [("Helvetica", "?")]


def test_nothing_becomes_a_formula(tmp_path, troubled):
    report = report_of(troubled)
    findings = tuple(replace(report.findings[0], title=t, call_number=t, finding_id=t) for t in TITLES)
    d = write_documents(replace(report, findings=findings), tmp_path)
    for row in csv.reader(io.StringIO(d.csv.read_bytes().decode("utf-8"), newline="")):
        for cell in row:
            assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
    assert not d.csv.read_bytes().startswith(b"\xef\xbb\xbf")
    for sheet in openpyxl.load_workbook(d.xlsx):
        for row in sheet.iter_rows():
            assert all(cell.data_type != "f" and cell.hyperlink is None for cell in row)
    clean = [t.replace("\x00", "").encode("utf-8", "replace").decode() for t in TITLES]
    assert [f.title for f in read_exceptions(d.csv)] == clean


def test_how_long_a_reader_was_away_is_told_whether_it_came_back_or_not(troubled):
    happened = events(
        ("high", "reader_gone", "no answer"),
        ("low", "reader_gone", "no answer"),
        ("high", "reader_back", ""),
        ("agent", "run_ended", "done"),
    )
    happened = replace(happened, t=np.array([0, 60, 100, 200]) * 10**9)
    assert report_of(troubled, events=happened).troubles == (
        "Reader high was gone for 2 min in all: no answer.",
        "Reader low was gone for 2 min in all and did not come back: no answer.",
    )


def test_the_run_s_troubles_come_first(troubled, tmp_path):
    happened = events(
        ("reader-1", "reader_gone", "connection reset"),
        ("reader-1", "reader_gone", "no answer"),
        ("route", "face_done", "A"),
    )
    report = report_of(troubled, state="aborted", reason="aisle blocked.", events=happened)
    assert report.troubles == (
        "The robot did not finish its route: aisle blocked.",
        "Reader reader-1 was gone (2 times) and did not come back: no answer.",
    )
    d = write_documents(report, tmp_path)
    for shown in (
        flat(pdf_text(d.pdf)),
        flat(" ".join(parsed(d.html.read_text()).text)),
        flat(plain_text(report)),
    ):
        assert shown.index("did not finish its route: aisle blocked.") < shown.index("Bay 1, level 4")


def test_a_failed_run_has_a_report_too(tmp_path):
    report = make_report(INFO, state="failed", reason="poses.parquet is missing")
    d = write_documents(report, tmp_path)
    for shown in (pdf_text(d.pdf), " ".join(parsed(d.html.read_text()).text), plain_text(report)):
        assert "could not be worked out: poses.parquet is missing." in flat(shown)
        assert "Nothing to put right" not in shown
    assert read_exceptions(d.csv) == []


@pytest.mark.parametrize("left_out", ["plan", "holdings", "coverage"])
def test_what_is_not_there_is_said(library, tmp_path, left_out):
    given = {
        "positions": library.positions(),
        "coverage": library.coverage(),
        "plan": library.plan,
        "holdings": library.holdings(),
    }
    report = make_report(INFO, **(given | {left_out: None}))
    words = {"plan": "no plan", "holdings": "no holdings", "coverage": "no book is called missing"}
    assert any(words[left_out] in t for t in report.troubles)
    write_documents(report, tmp_path)


def test_a_clean_run_says_so(library, tmp_path):
    report = report_of(library)
    assert report.findings == ()
    assert "Nothing to put right was found." in flat(pdf_text(write_documents(report, tmp_path).pdf))


def test_times_are_the_library_s(library):
    assert (
        "Friday, 20 November 2026, 22:00 to Saturday 05:00 CET"
        in lay_out(report_of(library, time_zone="Europe/Berlin")).when
    )
    assert "21:00" in lay_out(report_of(library, time_zone="Nowhere/At all")).when


def test_two_thousand_findings(build, tmp_path):
    world = build(bays=12, levels=6, per_shelf=30)
    world.rows = [replace(h, status="loaned") if i < 2000 else h for i, h in enumerate(world.rows)]
    report = report_of(world)
    assert len(report.findings) == 2000
    d = write_documents(report, tmp_path)
    pages = PdfReader(d.pdf).pages
    assert len(pages) > 50
    assert f"Page {len(pages)} of {len(pages)}" in flat(pages[-1].extract_text())
    assert len(mail_html(report)) < 150_000
    assert "1,940 more are in the attached report." in flat(plain_text(report))


def test_no_more_than_all_shelves_are_scanned(library):
    c = library.coverage()
    wider = replace(c, to_m=np.where(np.isclose(c.to_m % 0.9, 0.0), c.to_m + 0.05, c.to_m))
    report = make_report(
        INFO, positions=library.positions(), coverage=wider, plan=library.plan, holdings=library.holdings()
    )
    assert report.summary.coverage_share == pytest.approx(1.0)


def test_columns_of_the_pdf_do_not_touch(library, tmp_path):
    """A text that fills its column ends well before the next one begins, whatever the shelves are called."""
    findings = [
        Finding("on_shelf_loaned", f"f{i}", epc=f"E{i}", barcode=f"B{i}", call_number="QA76.9", title=title,
                shelf_id="A-02-2", offset_m=0.9 + at, belongs=belongs, confidence=0.92, evidence="Heard.")
        for i, (at, title, belongs) in enumerate([
            (0.12, "W" * 200, "1-R01S-01-4, between QA76.9.D3 .S98373 2019 and QA76.9.D3 .S98373 2020"),
            (0.88, "中文书名" * 40, "MAIN-STACKS-NORTH-MEZZANINE-" * 3),
            (0.2, "The history of libraries " * 10, "北京图书馆总馆南区二层书架第十二列" * 3),
            (1.28, "X", "1" * 80),
        ])
    ]  # fmt: skip
    report = replace(report_of(library), findings=tuple(findings))
    write_documents(report, tmp_path)
    lines = []

    def visit(text, cm, tm, font, size):
        if text.strip() and font:
            lines.append((cm[4] + tm[4], text.strip(), str(font["/BaseFont"]).lstrip("/"), size))

    for page in PdfReader(tmp_path / "report.pdf").pages:
        page.extract_text(visitor_text=visit)
    stands = [
        (x, stringWidth(text, font, size)) for x, text, font, size in lines if re.fullmatch(r"\d+\s*cm", text)
    ]
    belongs = {round(x, 1) for x, text, *_ in lines if text.startswith(("1-R01S", "MAIN-", "11111"))}
    assert len(stands) == 4
    assert len(belongs) == 1
    assert 0.0 < max(x + wide for x, wide in stands) < min(belongs) - 7.0
    titles = [x + stringWidth(text, font, size) for x, text, font, size in lines if set(text) == {"W"}]
    assert titles
    assert max(titles) < min(x for x, _ in stands) - 7.0
