"""A run that failed, was cut short or heard nothing: each document opens with that, and shows no nought as a result."""

import re
from dataclasses import replace

import openpyxl
import pytest
from pypdf import PdfReader

from localization.positions import Positions
from reports import build_mail, make_report, write_documents
from tests.reports.test_documents import INFO, flat, parsed, pdf_text, report_of

DESK, SENDER = "desk@library.example", "nightstack@library.example"
NO_READINGS = "no readings came from the robot, so no book can be placed"


def renderings(report, folder):
    """Return what each rendering says, by its name."""
    made = write_documents(report, folder)
    mail = build_mail(report, made, DESK, SENDER)
    return {
        "subject": mail["Subject"],
        "text": flat(mail.get_body(("plain",)).get_content()),
        "mail": flat(" ".join(parsed(mail.get_body(("html",)).get_content()).text)),
        "page": flat(" ".join(parsed(made.html.read_text(encoding="utf-8")).text)),
        "pdf": flat(pdf_text(made.pdf)),
        "pick list": flat(pdf_text(made.picklist)),
    }, made


def in_order(text, *words):
    places = [text.index(word) for word in words]
    return places == sorted(places)


@pytest.fixture
def failed():
    report = make_report(INFO, state="failed", reason=NO_READINGS)
    # As a mail has it whose reader was to get a list for half an hour.
    return replace(report, minutes=0.0, minutes_asked=30.0, first_seen={}, still_open=12)


def test_the_failure_stands_first_with_what_it_means_and_what_to_do(failed, tmp_path):
    said, made = renderings(failed, tmp_path)
    assert said.pop("subject") == "North Library: last night's run failed"
    for name, text in said.items():
        assert in_order(
            text,
            "The run failed: nothing was checked",
            f"The run could not be worked out: {NO_READINGS}.",
            "no book was looked for",
            "still holds: 12 lines are open.",
            "Show this to whoever looks after the robot.",
        ), name
        # Of numbers there are the day's, the run's, the robot's, pages' and the earlier list's alone.
        head = text.replace("12 lines", "").replace("Page 1 of 1", "")
        head = re.sub(r"20 November 2026, 21:00 UTC|run-7|robot-1", "", head)
        body = head.partition("The run failed")[2]
        assert not re.search(r"\d", body), (name, body)
        assert "misplaced" not in body.replace("misplaced or missing", ""), name
    assert made.html.read_text().index('class="alarm"') < made.html.read_text().index("<footer")
    first = openpyxl.load_workbook(made.xlsx).worksheets[0]
    cells = [[cell.value for cell in row] for row in first.iter_rows()]
    assert cells[0] == ["Trouble", "The run failed: nothing was checked"]
    assert not any(value in (0, "0") for row in cells for value in row)


def test_without_a_count_the_earlier_list_holds_all_the_same(tmp_path):
    said, _ = renderings(make_report(INFO, state="failed", reason="x"), tmp_path)
    for name in ("text", "mail", "page", "pdf", "pick list"):
        assert "The list of the last night that was worked out still holds, as far as" in said[name]


def test_in_chinese_nothing_of_it_is_english(failed, tmp_path):
    said, _ = renderings(replace(failed, language="zh"), tmp_path)
    for name, text in said.items():
        own = text.partition("}")[2].rpartition("}")[2] or text  # the page's style is among its texts
        words = set(re.findall(r"[A-Za-z]{3,}", own))
        words -= {"North", "Library", "UTC", "run", "robot", "Nightstack"}
        assert not words, (name, words)
    assert "盘点失败" in said["page"] and "没有发来任何读取数据" in said["page"]


@pytest.mark.parametrize(("state", "reason"), [("done", ""), ("aborted", "the spool was full")])
def test_a_run_that_heard_no_tag_tells_nothing(library, tmp_path, state, reason):
    report = make_report(
        INFO, positions=Positions.empty(), plan=library.plan, holdings=library.holdings(),
        coverage=replace(library.coverage(), p_heard=library.coverage().p_heard * 0.0), state=state, reason=reason,
    )  # fmt: skip
    said, made = renderings(report, tmp_path)
    assert said.pop("subject") == "North Library: last night's run tells nothing of the shelves"
    for name, text in said.items():
        heads = ["The run tells nothing of the shelves: nothing was checked", "Not one tag was heard."]
        heads[1:1] = [f"The robot did not finish its route: {reason}."] if reason else []
        assert in_order(text, *heads, "no book was looked for", "its readers, their antennas and cables"), (
            name
        )
        assert not re.search(r"\b0\b", text.partition("Not one tag")[2].partition("not scanned")[0]), name
        assert "Nothing to put right" not in text, name
    assert "Not scanned" in said["pdf"]
    rows = {row[0].value: row[1].value for row in openpyxl.load_workbook(made.xlsx).worksheets[0].iter_rows()}
    assert rows["Expected copies heard"] is None and rows["Tags heard"] is None


def test_of_a_run_cut_short_what_it_scanned_holds(library, tmp_path):
    library.set_status(library.on("A-01-4")[2], "loaned")
    report = report_of(library, state="aborted", reason="aisle blocked")
    said, _ = renderings(report, tmp_path)
    assert said.pop("subject").startswith("North Library: run not finished; 0 misplaced, 0 missing, 1 other")
    picked = said.pop("pick list")
    assert in_order(picked, "The run was not finished", "aisle blocked", "Bay 1, level 4")
    for name, text in said.items():
        assert in_order(
            text,
            "The run was not finished: only a part was checked",
            "The robot did not finish its route: aisle blocked.",
            "holds for the shelves that were scanned",
            "Show this to whoever looks after the robot",
            "of the shelves scanned",
        ), name
        assert text.count("aisle blocked") == 1, name
    clean = report_of(library, state="aborted", reason="aisle blocked", findings=[])
    again, made = renderings(clean, tmp_path / "clean")
    assert "Nothing to put right was found on the shelves that were scanned." in again["page"]
    assert len(PdfReader(made.pdf).pages) == 1
