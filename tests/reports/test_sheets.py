"""The sheets as they look: rendered and read by other people's programs."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from reports import Finding, build_mail, write_documents
from reports.layout import lay_out
from reports.strips import Mark, Strip, gap_labels, neighbours
from reports.text import T
from tests.reports.sheets import MARGIN_MM, flat, ink, pages, report_of


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


def test_no_findings_no_pick_list_but_a_page(library, tmp_path):
    made = write_documents(report_of(library), tmp_path)
    assert len(pages(made.picklist)) == 1
    assert "Nothing to put right was found." in pages(made.picklist)[0]


def test_a_call_number_on_the_pick_list_breaks_only_between_its_parts(library, tmp_path):
    number = "DS183.24 .W69 G1 2003"
    finding = Finding("missing", "f1", barcode="1", call_number=number, shelf_id="A-01-1", confidence=0.9)
    made = write_documents(report_of(library, findings=[finding]), tmp_path)
    words = " ".join(pages(made.picklist)).split()
    assert all(part in words for part in number.split())
