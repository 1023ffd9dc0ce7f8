"""A month of nights in small: the life, the mail, the work and the figures fit together."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console

from benchmarks import __main__ as runner
from benchmarks import month
from benchmarks.month_figures import Stated, draw_reliability, truth_of
from benchmarks.month_staff import Ways, work
from reports.findings import Finding
from sim.library_life import GONE, LibraryLife


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    out = tmp_path_factory.mktemp("plot")
    made = month.main(
        Console(quiet=True),
        ["--books", "250", "--nights", "4", "--minutes", "20", "--jobs", "1", "--alone"],
        out,
    )
    assert (out / "month-reliability.svg").read_text().startswith("<svg")
    return made


def test_nights_are_found_mailed_and_worked(figures):
    nights = figures["ranked"]["nights"]
    assert [n["night"] for n in nights] == [0, 1, 2, 3]
    first = nights[0]
    assert first["findings"]["missing"]["due"] == 12
    assert first["findings"]["missing"]["found"] >= 11
    assert first["findings"]["wrong_order"]["right"] >= 0.9 * first["findings"]["wrong_order"]["said"] > 0
    # A dead tag is as silent as a book that is gone.
    assert set(first["findings"]["missing"]["wrong"]) <= {"dead tag"}
    assert sum(n["put_right"] for n in nights) > 22
    due = [n["findings"]["wrong_order"]["due"] for n in nights]
    assert due[-1] < due[0]
    for n in nights:
        assert n["mailed_right"] <= n["mailed"] and n["new_right"] <= n["new"] and n["staff_s"] < 25 * 60
        assert n["naive"]["missing"]["found"] == n["naive"]["missing"]["due"]
    json.dumps(figures, default=str)


def test_missing_books_are_confirmed_and_chances_scored(figures):
    missing = figures["ranked"]["missing"]
    assert missing["never heard"]["gone"] >= 12 and missing["never heard"]["by_third"] > 0.8
    assert missing["told"] >= 12 and missing["precision"] >= 0.95
    stated = figures["ranked"]["stated"]["silent book is missing"]
    assert 0 < stated["brier"] < 0.25 and stated["n"] == sum(b["n"] for b in stated["bins"])


def line(life, kind, c, shelf):
    return Finding(kind, f"f{c}", life.epcs[c], life.barcodes[c], shelf_id=life.shelves[shelf].id)


def test_staff_find_what_is_really_there_within_their_minutes():
    life = LibraryLife(400, seed=2)
    ways, rng = Ways(life.plan), np.random.default_rng(1)
    shelf = life.shelf_of()
    wrong = sorted(life.wrong_shelf())
    gone = next(c for c in range(400) if life.where[c] == GONE)
    dead = int(np.flatnonzero(life.dead)[0])
    right = next(c for c in range(400) if shelf[c] == life.home[c] and c not in life.may_be_moved())
    lines = [
        line(life, "wrong_shelf", wrong[0], shelf[wrong[0]]), line(life, "wrong_shelf", right, shelf[right]),
        line(life, "missing", gone, life.home[gone]), line(life, "missing", dead, life.home[dead]),
        line(life, "wrong_shelf", wrong[1], life.home[wrong[1]]),
    ]  # fmt: skip
    done = work(life, ways, lines, 60.0, life.morning, rng)
    did = [d for _, d, _, _ in done.worked]
    at = [seconds for _, _, _, seconds in done.worked]
    assert at == sorted(at) and at[0] > 0.0 and at[-1] <= done.seconds
    assert did[:3] == ["reshelved", "false_alarm", "marked_missing"] and did[3] in ("found", "retagged")
    assert did[4] == "false_alarm"
    assert done.right == 2 + (did[3] == "retagged")
    assert wrong[0] not in life.wrong_shelf() and wrong[1] in life.wrong_shelf()
    assert life.status[gone] == "missing"
    few = work(
        life,
        ways,
        [line(life, "wrong_shelf", c, life.shelf_of()[c]) for c in wrong[1:]],
        2.0,
        life.morning,
        rng,
    )
    assert 0 < len(few.worked) < len(wrong) - 1 and few.seconds < 240


def test_truth_knows_why_a_finding_is_wrong():
    life = LibraryLife(400, seed=2)
    truth = truth_of(life)
    dead = int(np.flatnonzero(life.dead)[0])
    assert truth.why_wrong(line(life, "missing", dead, 0)) == "dead tag"
    gone = next(c for c in range(400) if life.where[c] == GONE)
    assert truth.right(line(life, "missing", gone, 0)) and not truth.right(line(life, "wrong_shelf", gone, 0))
    assert truth.absent[life.barcodes[gone]] == "gone"


def test_a_constant_chance_scores_as_the_constant_and_a_true_one_better(tmp_path):
    stated, rng = Stated(), np.random.default_rng(3)
    p = rng.random(4000)
    so = rng.random(4000) < p
    stated.many("true", p.tolist(), so.tolist())
    stated.many("constant", [0.5] * 4000, so.tolist())
    figures = stated.figures()
    assert figures["true"]["brier"] < 0.18 < figures["constant"]["brier"] == pytest.approx(0.25)
    assert figures["true"]["off"] < 0.03
    assert "true" in draw_reliability(tmp_path / "plot.svg", figures).read_text()


def test_options_of_other_benchmarks_are_refused(capsys):
    with pytest.raises(SystemExit):
        runner.main(["payload", "--nights", "3"])
    assert "unrecognized arguments" in capsys.readouterr().err
