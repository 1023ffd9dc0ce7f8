"""What bars of dense scans are learnt from, and that they are learnt right where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.learn_slide_bars import Lesson, judged, learn, lesson, main
from localization import localize
from localization.scatterer_bars import WIDTHS, Solution, combine
from sim.slide import slide, to_recording

EVEN = replace(WIDTHS, stretch=0.0, slopes=0.0)
"""Bars that do not grow towards a row's ends."""


def taught(error_m, rows=60, tags=8, kind="rows"):
    """Rows of one solution each whose tags err by what they are given and nothing else."""
    rng = np.random.default_rng(4)
    found = []
    for _ in range(rows):
        true = 0.3 + 0.08 * np.arange(tags)
        x = true + error_m * rng.standard_normal(tags)
        solution = Solution(
            x, np.zeros(tags), np.full(tags, 1e-4), np.zeros(tags), np.zeros((0, 2)), np.zeros(0), 0.0
        )

        def said(widths, solution=solution):
            told = combine([solution], widths)
            return told.offset_m, told.sigma_m

        found.append(Lesson(kind, said, true))
    return found


@pytest.mark.parametrize("error_m", [0.004, 0.007])
@pytest.mark.parametrize("from_m", [0.002, 0.02])
def test_what_tags_err_by_is_learnt(error_m, from_m):
    found = taught(error_m)
    best = learn(found, replace(EVEN, tag_m=from_m))
    assert best.tag_m == pytest.approx(
        error_m, abs=0.0011
    )  # an error less the row's median is a little smaller
    held, _, score = judged(found, best)["rows"]
    assert held == pytest.approx(0.9, abs=0.04)
    assert score < judged(found, replace(best, tag_m=2 * best.tag_m))["rows"][2]
    assert score < judged(found, replace(best, tag_m=0.5 * best.tag_m))["rows"][2]


def test_narrow_bars_of_many_kinds_are_not_paid_for_by_one_that_no_longer_holds():
    found = taught(0.01, kind="loose")
    for number in range(9):
        found += taught(0.003, rows=8, kind=f"tight {number}")
    start = replace(EVEN, tag_m=0.01)
    best = learn(found, start)
    narrow = replace(start, tag_m=0.005)
    mean = [np.mean([score for _, _, score in judged(found, one).values()]) for one in (start, best, narrow)]
    assert mean[2] < mean[1] <= mean[0]
    assert judged(found, narrow)["loose"][0] < 0.7
    assert judged(found, best)["loose"][0] >= 0.85


def test_rows_that_are_stretched_are_learnt_to_be():
    """Tags far from the middle err by more, in proportion."""
    rng = np.random.default_rng(5)
    found = []
    for one in taught(0.001):
        slope = 0.04 * rng.standard_normal()
        found.append(replace(one, true_m=one.true_m + slope * (one.true_m - one.true_m.mean())))
    best = learn(found, replace(EVEN, tag_m=0.004, stretch=0.01))
    assert best.stretch == pytest.approx(0.04, rel=0.2)
    assert best.tag_m < 0.002


@pytest.mark.parametrize("pitch_m", [0.2, 0.08])
def test_a_lesson_is_what_the_estimator_says(pitch_m):
    recording, plan = to_recording(slide(pitch_m, 0.6, 3))
    found = lesson(recording, plan, "row")
    assert found is not None
    offset, sigma = found.said(WIDTHS)
    positions = localize(replace(recording, truth=None), plan).positions
    assert sorted(offset.tolist()) == pytest.approx(sorted(positions.offset_m.tolist()))
    assert (sigma >= WIDTHS.tag_m).all()
    error, _ = found.score(WIDTHS)
    assert np.abs(error).max() < 0.05


def test_nothing_is_learnt_from_no_rows(capsys):
    assert main(["--only", "no such row"]) == 1
    assert "nothing is learnt" in capsys.readouterr().out
