"""The last nights in figures: kept with the ledger, shown from three on, drawn and said."""

import io
import json
import math
from dataclasses import replace
from datetime import timedelta

import openpyxl
import pytest

from reports.html import mail_html, page_html
from reports.layout import lay_out
from reports.ledger import Ledger, LedgerError
from reports.pdf import pdf_bytes
from reports.plain import plain_text
from reports.report import make_report
from reports.spreadsheet import xlsx_bytes
from reports.trend import NightFigures, blocks, heights, pieces, shown
from tests.reports.nights import FIRST, Months, found
from tests.support.runs import make_info


def nights(*rows):
    return tuple(NightFigures(f"r{i}", FIRST + timedelta(days=i), *row) for i, row in enumerate(rows))


FIVE = nights(
    (12, 30, 1000, 950), (11, 26, 1000, 960), (9, 20, 1000, 970), (7, 11, 1000, 985), (4, 8, 1000, 990)
)


def test_each_night_adds_its_figures_once_and_they_come_back_from_json():
    m = Months()
    m.night(found("wrong_shelf", 1), found("missing", 2, p=0.99))
    m.night(found("wrong_shelf", 1), found("missing", 2, p=0.99))
    m.night(found("missing", 2, p=0.99))
    counts = [(n.missing, n.misplaced, n.expected, n.heard) for n in m.ledger.nights]
    assert counts == [(0, 1, 6, 5), (1, 1, 6, 5), (1, 0, 6, 5)]
    assert Ledger.from_json(json.loads(json.dumps(m.ledger.to_json()))).nights == m.ledger.nights
    with pytest.raises(LedgerError, match="nights"):
        Ledger.from_json({**m.ledger.to_json(), "nights": [["r1", "yesterday"]]})


def test_a_ledger_of_before_has_no_nights():
    old = Ledger().to_json()
    del old["nights"]
    assert Ledger.from_json(old).nights == ()


def test_two_nights_are_no_trend():
    assert shown(FIVE[:2]) == () and shown(FIVE) == FIVE and len(shown(FIVE * 10)) == 14


def test_counts_are_drawn_from_nought_and_rates_from_nine_tenths_or_the_worst():
    assert heights([10, 5, 0]) == (1.0, 0.5, 0.0) and heights([0, 0, 0]) == (0.0, 0.0, 0.0)
    assert heights([0.9, 0.95, 1.0], rate=True) == pytest.approx((0.0, 0.5, 1.0))
    assert heights([0.5, 1.0], rate=True) == (0.0, 1.0)
    assert blocks((0.0, 0.5, 1.0)) == "▁▅█"


def test_nights_are_oldest_first_and_a_late_one_is_left_out():
    m = Months()
    m.night()
    m.day = 5
    m.night(found("wrong_shelf", 1))
    m.day = 1
    m.night(run="late")
    assert [n.run_id for n in m.ledger.nights] == ["run1", "run6"]
    assert [n.run_id for n in shown(FIVE[::-1])] == [n.run_id for n in FIVE]


def test_a_night_that_expected_nothing_leaves_a_gap_in_its_place(library):
    drawn = heights([0.95, math.nan, 0.97, 1.0], rate=True)
    assert blocks(drawn) == "▄\u00a0▆█" and math.isnan(drawn[1])
    assert [[i for i, _ in piece] for piece in pieces(drawn)] == [[0], [2, 3]]
    four = nights((12, 30, 1000, 950), (11, 26, 0, 0), (9, 20, 1000, 970), (7, 11, 0, 0))
    report = make_report(
        make_info(), positions=library.positions(), coverage=library.coverage(), plan=library.plan,
        holdings=library.holdings(), findings=[], nights=four,
    )  # fmt: skip
    layout = lay_out(report)
    assert [len(t.heights) for t in layout.trends] == [4, 4, 4]
    assert layout.trends[2].words == "Expected books heard: 95\u00a0%, –, 97\u00a0%, – (last 4 nights)"
    page = page_html(report, layout)
    assert "nan" not in page.casefold().replace("nance", "") and page.count("<circle") == 2
    assert mail_html(report) and plain_text(report) and pdf_bytes(report, layout).startswith(b"%PDF")
    book = openpyxl.load_workbook(io.BytesIO(xlsx_bytes(report, layout)))
    assert [book.worksheets[2].cell(row, 6).value for row in range(2, 6)] == [0.95, None, 0.97, None]
    never = lay_out(replace(report, nights=tuple(replace(n, expected=0, heard=0) for n in four)))
    assert len(never.trends) == 2


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Due to be searched for: 12, 11, 9, 7, 4"), ("zh", "待查找的缺失图书：12")]
)
def test_every_document_draws_and_says_it(library, language, words):
    report = make_report(
        make_info(), positions=library.positions(), coverage=library.coverage(), plan=library.plan,
        holdings=library.holdings(), findings=[], language=language, nights=FIVE, lists=["a list"],
    )  # fmt: skip
    layout = lay_out(report)
    assert len(layout.trends) == 3
    page, mail, text = page_html(report, layout), mail_html(report), plain_text(report)
    assert page.count('<svg class="spark"') == 3 and f'aria-label="{words}' in page
    assert f'aria-label="{words}' in mail and "▇" in mail
    assert words in text and "a list" in text and "a list" in page and "a list" in mail
    assert pdf_bytes(report, layout).startswith(b"%PDF")
    book = openpyxl.load_workbook(io.BytesIO(xlsx_bytes(report, layout)))
    assert len(book.sheetnames) == 4 and book.worksheets[2]["B2"].value == 12
    few = replace(report, nights=FIVE[:2])
    assert lay_out(few).trends == () and '<svg class="spark"' not in page_html(few, lay_out(few))


def test_shelves_are_counted_on_the_shelf_in_order_and_filled(library):
    first, second = (s.id for s in library.plan.walking_order[:2])
    away = library.on(first)[2]
    library.insert(away, library.plan.walking_order[5].id, None)
    mixed = library.on(second)
    library.insert(mixed[0], second, mixed[8])
    report = make_report(
        make_info(), positions=library.positions(), coverage=library.coverage(), plan=library.plan,
        holdings=library.holdings(),
    )  # fmt: skip
    tally = {t.shelf_id: t for t in report.summary.shelves}
    assert tally[first].on_shelf == pytest.approx(11 / 12) and tally[first].in_order == 1.0
    assert tally[second].in_order == pytest.approx(11 / 12) and tally[second].on_shelf == 1.0
    # Twelve books, one every 2.5 cm, on a shelf of 90 cm.
    assert tally[second].used_m == pytest.approx(0.30, abs=0.01) and tally[second].filled == pytest.approx(
        1 / 3, abs=0.02
    )
