"""The sheets as they look: rendered and read by other people's programs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote

import numpy as np
import openpyxl
import pypdfium2 as pdfium
import pytest
from pypdf import PdfReader

from recording import AntennaMount, RunInfo
from reports import Finding, build_mail, fonts, make_report, write_documents
from reports.layout import lay_out
from reports.listed_text import for_list
from reports.plain import plain_text
from reports.right_to_left import visual
from reports.strips import Mark, Strip, gap_labels, neighbours
from reports.text import T

INFO = RunInfo(
    "run-7",
    "North Library",
    datetime(2026, 11, 20, 21, 0, tzinfo=UTC),
    "robot-1",
    (AntennaMount(1, "r", 1, "gen2", (0.0, 0.0, 1.0), (90.0, 0.0)),),
)
MARGIN_MM = 6.0


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


def flat(text):
    return " ".join(text.replace("\u00a0", " ").split())


def pages(path):
    return [flat(page.extract_text()) for page in PdfReader(path).pages]


def ink(path):
    """Where something is printed on each page: left, top, right, bottom in mm, and the share of the page."""
    document = pdfium.PdfDocument(path)
    for page in document:
        dark = np.array(page.render(scale=1.0).to_pil().convert("L")) < 245
        rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
        mm = 25.4 / 72
        yield columns[0] * mm, rows[0] * mm, columns[-1] * mm, rows[-1] * mm, dark.mean()
    document.close()


@pytest.fixture
def busy(build):
    """Two faces, 96 shelves, most with a book or two out of order or on a wrong shelf, some missing or lent."""
    world = build(bays=8, levels=6, faces=("A", "B"), per_shelf=14)
    shelves = [s.id for s in world.plan.walking_order]
    for i, shelf in enumerate(shelves):
        order = world.on(shelf)
        if i % 3 == 0:
            world.insert(order[11], shelf, order[2])
        elif i % 3 == 1:
            world.insert(order[4], shelves[(i * 7 + 5) % len(shelves)], None)
        if i % 8 == 2:
            world.set_status(order[7], "loaned")
        if i % 8 == 5:
            del world.stands[order[9]]
    return world


def test_a_sheet_holds_a_walk(busy, tmp_path):
    report = report_of(busy)
    made = write_documents(report, tmp_path)
    listed = len(report.findings)
    assert listed > 80
    assert len(pages(made.pdf)) <= 1 + listed / 12
    assert len(pages(made.picklist)) <= 1 + listed / 18


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_has_its_heads_and_stays_within_its_margins(busy, tmp_path, language):
    report = report_of(busy, language=language)
    made = write_documents(report, tmp_path)
    heads = [lay_out(report).lang(name) for name in (T.floor_face("1", "A"), T.floor_face("1", "B"))]
    shelf = {"en": r"Bay \d+, level \d+ [AB]-\d\d-\d$", "zh": r"第 ?\d+ ?列第 ?\d+ ?层 [AB]-\d\d-\d$"}[
        language
    ]
    for file in (made.pdf, made.picklist):
        shown = pages(file)
        for number, text in enumerate(shown, start=1):
            assert any(head in text for head in heads), text
            foot = {"en": f"Page {number} of {len(shown)}", "zh": f"第 {number} 页，共 {len(shown)} 页"}[
                language
            ]
            assert foot in text
            body = flat(text.replace(foot, ""))
            footer = body.rfind("North Library")
            assert not re.search(shelf, flat(body[:footer])), "a shelf's name at the foot, its books overleaf"
        for left, top, right, bottom, share in ink(file):
            assert left > MARGIN_MM
            assert top > MARGIN_MM
            assert right < 210 - MARGIN_MM
            assert bottom < 297 - 4
            assert share > 0.004, "an empty page"


def test_three_thousand_lines(build, tmp_path):
    world = build(bays=20, levels=6, per_shelf=30)
    world.rows = [replace(h, status="loaned") if i < 3000 else h for i, h in enumerate(world.rows)]
    report = report_of(world)
    made = write_documents(report, tmp_path)
    shown = pages(made.pdf)
    assert 150 < len(shown) < 260
    assert made.pdf.stat().st_size < 6_000_000
    barcodes = {h.barcode for h in world.rows[:3000]}
    assert barcodes <= set(re.findall(r"B\d{5}", " ".join(shown)))
    mail = build_mail(report, made, "desk@library.example", "n@library.example")
    assert len(mail.get_body(("html",)).get_content()) < 150_000


def test_floors_are_sheets_of_their_own(build, tmp_path):
    world = build(faces=("A", "B"))
    plan = world.plan.to_json()
    faces = plan["floors"][0]["faces"]
    plan["floors"] = [{"id": "1", "faces": faces[:1]}, {"id": "2", "faces": faces[1:]}]
    world.plan = type(world.plan).from_json(plan, "plan")
    for shelf in ("A-01-1", "B-02-2"):
        world.set_status(world.on(shelf)[3], "loaned")
    made = write_documents(report_of(world), tmp_path)
    first, second = pages(made.picklist)
    assert "Floor 1, face A" in first
    assert "Floor 2" not in first
    assert "Floor 2, face B" in second


def test_a_strip_names_the_two_books_it_goes_between(library, tmp_path):
    order = library.on("A-02-3")
    library.insert(order[9], "A-02-3", order[1])
    library.insert(order[4], "A-02-3", order[10])
    report = report_of(library)
    strip = next(stop.strip for s in lay_out(report).stretches for stop in s.stops)
    moved = [m for m in strip.marks if m.to_m is not None]
    assert len(moved) == 2
    assert strip.helps
    for mark in moved:
        assert mark.left_m < mark.to_m < mark.right_m
        near = [b for b in (*strip.books_m, mark.left_m, mark.right_m) if mark.left_m < b < mark.right_m]
        assert near == [], "another book stands in the gap"
        assert flat(mark.left).startswith("QA")
    text = pages(write_documents(report, tmp_path).pdf)[0]
    for mark in moved:
        assert text.count(flat(mark.left)) >= 2, "in the words, and below the drawing"


def test_names_below_a_strip_never_overlap():
    rng = np.random.default_rng(3)
    for _ in range(50):
        gaps = rng.uniform(0.0, 0.9, 12)
        marks = tuple(
            Mark(i, "move", float(g), float(g), g - 0.01, g + 0.01, f"QA{i}", "QB1 .C2")
            for i, g in enumerate(gaps)
        )
        taken = {}
        for label in gap_labels(Strip(0.9, (), marks), lambda t: 0.012 * len(t)):
            span = (label.to_m - 0.012 * len(label.left), label.to_m + 0.012 * len(label.right))
            for a, b in taken.setdefault(label.line, []):
                assert span[1] < a or span[0] > b
            taken[label.line].append(span)
        assert taken


def test_neighbours():
    assert neighbours(0.5, [0.1, 0.4, 0.6]) == (0.4, 0.6)
    assert neighbours(0.05, [0.1]) == (None, 0.1)
    assert neighbours(0.5, []) == (None, None)


def test_the_morning_s_plan_comes_first(busy, tmp_path):
    report = report_of(busy)
    known = {f.finding_id: date(2026, 11, 18) for f in report.findings[:3]}
    mine = replace(
        report,
        findings=report.findings[:24],
        minutes=44.6,
        minutes_asked=45.0,
        backlog={"missing": 200, "wrong_order": 110},
        first_seen=known,
        dropped=("B00017 was lent at 07:10.",),
        checked_at=INFO.started_at + timedelta(hours=9),
    )
    made = write_documents(mine, tmp_path)
    mail = build_mail(mine, made, "desk@library.example", "n@library.example")
    shown = [
        " ".join(pages(made.pdf)),
        flat(plain_text(mine)),
        flat(re.sub("<[^>]*>", " ", mail.get_body(("html",)).get_content())),
        flat(re.sub("<[^>]*>", " ", made.html.read_text())),
    ]
    for text in shown:
        assert "24 lines, about 45 minutes; 310 more wait." in text
        assert "Checked against the library system at 06:00: 1 line was taken off." in text
        assert "B00017 was lent at 07:10." in text
        assert text.count("since 18 Nov") == 3
        assert "21" in text[: text.index("new tonight")].split()[-2:], "21 of 24 are new"
        assert text.index("24 lines") < text.index("Floor 1")
    assert mail["Subject"].startswith("North Library: ")
    assert "310" not in mail["Subject"]
    rows = [*openpyxl.load_workbook(made.xlsx)["Findings"].iter_rows(min_row=2, values_only=True)]
    assert [r[16] for r in rows].count("since 18 Nov") == 3


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (None, "new"),
        (date(2026, 11, 20), "since 20 Nov"),  # the morning before this night
        (INFO.started_at - timedelta(hours=17), "since 20 Nov"),
        (INFO.started_at - timedelta(hours=22, minutes=30), "since 19 Nov"),
        (INFO.started_at + timedelta(hours=7), "new"),
    ],
)
def test_what_is_new_and_since_when_the_rest_is_known(library, seen, said):
    library.set_status(library.on("A-01-3")[5], "loaned")
    report = report_of(library)
    (found,) = report.findings
    assert lay_out(report).lines[0].since == "", "nobody keeps them"
    kept = replace(report, first_seen={} if seen is None else {found.finding_id: seen})
    line = lay_out(kept).lines[0]
    assert (line.since, line.new) == (said, said == "new")


def test_no_findings_no_pick_list_but_a_page(library, tmp_path):
    made = write_documents(report_of(library), tmp_path)
    assert len(pages(made.picklist)) == 1
    assert "Nothing to put right was found." in pages(made.picklist)[0]


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


def test_a_book_perhaps_missing_is_not_sent_for(busy, tmp_path):
    made = report_of(busy)
    gone = [f.finding_id for f in made.findings if f.kind == "missing"]
    assert len(gone) > 1
    first = next(f for f in made.findings if f.finding_id == gone[0])
    report = replace(made, perhaps=frozenset(gone[:1]), put_off=3, minutes_asked=30.0, minutes=29.0)
    layout = lay_out(report)
    lines = {line.finding.finding_id: line for line in layout.lines}
    assert lines[gone[0]].number == 0 < lines[gone[1]].number, "it is no errand"
    assert all(
        gone[0] != line.finding.finding_id for s in layout.stretches for p in s.stops for line in p.lines
    )
    said = {label: value for value, label in layout.figures}
    assert said["missing books"] == str(len(gone) - 1)
    assert said["perhaps missing (wait for another night)"] == "4"
    rows = {c.title: (c.here, c.waiting, c.action) for c in layout.counts}
    assert rows["Missing"] == (len(gone) - 1, 0, "search")
    assert rows["Perhaps missing"] == (1, 3, "wait for another night")
    assert (lines[gone[0]].kind, lines[gone[1]].kind) == ("Perhaps missing", "Missing")
    assert "reader asks" in lines[gone[0]].action and lines[gone[1]].action == "search"
    text = flat(plain_text(report))
    assert "3 of them were silent for too few nights to be called missing" in text
    assert not [b for b in plain_text(report).split("[ ] ")[1:] if first.barcode in b]
    assert "Perhaps missing: 1, in the attached report" in text
    made = write_documents(report, tmp_path)
    mail = build_mail(report, made, "desk@lib.example", "nightstack@lib.example")
    assert f"{len(gone) - 1} missing" in mail["Subject"]
    body = re.sub("<[^>]*>", " ", mail.get_body(("html",)).get_content())
    assert "Perhaps missing: 1, in the attached report" in flat(body)
    assert any("wait for another night, and look only if a reader asks" in page for page in pages(made.pdf))
    assert not [page for page in pages(made.picklist) if first.barcode in page]
    page = made.html.read_text("utf-8")
    assert page.count('type="checkbox"') == len(layout.lines) - 1 and first.barcode in page
    sheet = openpyxl.load_workbook(made.xlsx).worksheets[0]
    row = next(r for r in sheet.iter_rows(values_only=True) if r[5] == first.barcode)
    assert row[:2] == (None, "Perhaps missing")
    chinese = replace(report, language="zh")
    text = flat(plain_text(chinese))
    assert "丢失待确认" in text and "其中 3 册" in text and "等下一夜再看" in text
    subject = build_mail(chinese, None, "desk@lib.example", "nightstack@lib.example")["Subject"]
    assert f"丢失 {len(gone) - 1} 册" in subject


def test_every_list_says_what_to_do_at_the_shelf_and_how_to_say_so(busy, library, tmp_path):
    served = replace(report_of(busy), link="https://here/runs/1")
    made = write_documents(served, tmp_path)
    mail = build_mail(served, made, "desk@lib.example", "nightstack@lib.example")
    texts = [
        mail.get_body(("plain",)).get_content(),
        re.sub("<[^>]*>", "", mail.get_body(("html",)).get_content()),
        " ".join(pages(made.pdf)),
        " ".join(pages(made.picklist)),
        re.sub("<[^>]*>", "", made.html.read_text("utf-8")),
    ]
    for text in texts:
        assert "behind the row" in flat(text)
        assert "nightstack cases resolve BARCODE --as reshelved" in flat(text)
    assert "nightstack cases" not in plain_text(report_of(busy)), "nobody keeps cases there"
    assert "behind the row" not in plain_text(report_of(library, findings=[]))


def test_who_told_no_minutes_yet_finds_the_page_for_it(busy, tmp_path):
    served = replace(report_of(busy), link="https://here/stock/runs/1", minutes_asked=60.0)
    page = f"https://here/stock/pace?site={quote(served.info.site)}"
    made = write_documents(served, tmp_path)
    mail = build_mail(served, made, "desk@lib.example", "nightstack@lib.example")
    assert f"the next lists fit better: {page}" in flat(mail.get_body(("plain",)).get_content())
    for html in (mail.get_body(("html",)).get_content(), made.html.read_text("utf-8")):
        assert re.search(rf'<a href="{re.escape(page)}"[^>]*>{re.escape(page)}</a>', html)
    assert "/pace" not in plain_text(replace(served, link="")), "nobody keeps minutes there"


def test_a_call_number_on_the_pick_list_breaks_only_between_its_parts(library, tmp_path):
    number = "DS183.24 .W69 G1 2003"
    finding = Finding("missing", "f1", barcode="1", call_number=number, shelf_id="A-01-1", confidence=0.9)
    made = write_documents(report_of(library, findings=[finding]), tmp_path)
    words = " ".join(pages(made.picklist)).split()
    assert all(part in words for part in number.split())


def test_a_book_on_a_list_says_for_whom_in_a_place_of_its_own(library, tmp_path):
    finding = Finding(
        "listed",
        "f1",
        barcode="1",
        call_number="QA1",
        title="Sets",
        shelf_id="A-01-1",
        offset_m=0.2,
        belongs="A-01-2",
        lists="Course",
        purpose="wanted",
        asked_for=for_list("Course", "wanted", ""),
    )
    english, chinese = "For: Course (a reader waits)", "用途：Course（读者在等）"
    for language, words in (("en", english), ("zh", chinese)):
        report = report_of(library, findings=[finding], language=language)
        made = write_documents(report, tmp_path / language)
        mail = build_mail(report, made, "desk@lib.example", "nightstack@lib.example")
        (line,) = lay_out(report).lines
        assert (line.belongs, flat(line.asked_for)) == ("A-01-2", words)
        texts = [
            mail.get_body(("plain",)).get_content(),
            mail.get_body(("html",)).get_content(),
            made.html.read_text("utf-8"),
        ]
        assert all(words in flat(text) for text in texts)
        if language == "en":
            for path in (made.pdf, made.picklist):
                assert any("For: Course (a reader" in page for page in pages(path))
        sheet = openpyxl.load_workbook(made.xlsx).worksheets[0]
        heads, row = list(sheet.iter_rows(max_row=2, values_only=True))
        assert (
            row[heads.index("For" if language == "en" else "用途")]
            == words.partition(" " if language == "en" else "：")[2]
        )
