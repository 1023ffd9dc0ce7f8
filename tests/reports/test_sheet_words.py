"""What mail and sheets say of the morning: its plan, what is new, what to do, and for whom."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from urllib.parse import quote

import openpyxl
import pytest

from reports import Finding, build_mail, write_documents
from reports.layout import lay_out
from reports.listed_text import for_list
from reports.plain import plain_text
from tests.reports.sheets import INFO, flat, pages, report_of


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
