"""What makes the joint fit err on simulated rows is told by figures that would show it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import slide_causes
from benchmarks.slide_causes import PARTS, simulated_rows, told
from benchmarks.slide_rows import simulated_row
from localization import localize
from sim.slide import SLIDE, slide


def test_a_row_placed_too_wide_is_called_stretched(monkeypatch: pytest.MonkeyPatch) -> None:
    row = simulated_row(slide(0.06, 0.6, 3), "row")
    truth = row.recording.truth
    assert truth is not None
    positions = localize(row.recording, row.plan).positions
    wide = 0.5 + 1.05 * (truth.x_m - 0.5) + 0.02
    place = dict(zip(truth.epc.tolist(), wide.tolist(), strict=True))
    moved = replace(positions, x_m=np.array([place[epc] for epc in positions.epc.tolist()]))

    class Made:
        positions = moved

    monkeypatch.setattr(slide_causes, "localize", lambda *_: Made)
    found = told(row)
    assert found.stretch == pytest.approx(0.05)
    assert np.abs(found.error_m).max() == pytest.approx(0.05 * 0.15)
    assert found.end_square > 0
    assert found.inner_square > 0


def test_laboratories_differ_in_the_part_that_is_named_alone() -> None:
    usual, same, other = (
        next(iter(simulated_rows(0.06, parts, 1))).scan
        for parts in ({}, {"noise_scale": SLIDE.noise_scale}, PARTS["no wall"])
    )
    assert np.array_equal(usual.phase_rad, same.phase_rad, equal_nan=True)
    assert not np.array_equal(usual.phase_rad, other.phase_rad, equal_nan=True)
    assert all(set(parts) <= set(SLIDE.__dataclass_fields__) for parts in PARTS.values())


def test_a_line_for_each_pitch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(slide_causes, "measured_folder", lambda: None)
    assert slide_causes.main(["--sets", "1", "--only", "no wall"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["6", "4"]
