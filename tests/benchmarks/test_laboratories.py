"""A set's share inside the intervals is held against laboratories of that set's geometry."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks import laboratories
from benchmarks.slide_rows import Row, simulated_row
from sim.slide import slide


@pytest.fixture
def rows() -> list[Row]:
    made = [slide(0.08, depth, 5, laboratory=(5,)) for depth in (0.5, 0.7)]
    return [replace(simulated_row(scan, f"row-{n}"), laboratory="set4 0.08") for n, scan in enumerate(made)]


def test_measured_shares_stand_beside_those_of_laboratories(
    rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laboratories, "measured_folder", lambda: Path())
    monkeypatch.setattr(laboratories, "measured_rows", lambda _: {"8 cm": rows})
    console = Console(width=160, record=True, file=io.StringIO())
    found = laboratories.main(console, laboratories=3)["slide set 4 (8 cm)"]
    made = np.array(found["simulated"])
    assert made.shape == (3, 2)
    assert len(np.unique(made, axis=0)) > 1
    assert ((made >= 0.3) & (made <= 1.0)).all()
    text = console.export_text()
    assert "slide set 4 (8 cm)" in text
    assert f"{100 * found['measured'][1]:.1f}" in text
    assert f"{100 * made[:, 1].mean():.1f}" in text


def test_rows_of_one_laboratory_share_it_and_another_is_another(
    rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[object, object]] = []
    real = laboratories.scan_row

    def watched(*args: object, laboratory: object, **more: object) -> object:
        seen.append((args[2], laboratory))
        return real(*args, laboratory=laboratory, **more)

    monkeypatch.setattr(laboratories, "scan_row", watched)
    for number in (0, 1):
        places = [len(of.tags.error_m) for of in laboratories.simulated(rows, number)]
        assert places == [10, 10]
    assert len({seed for seed, _ in seen}) == 4
    assert [laboratory for _, laboratory in seen[:2]] == [seen[0][1]] * 2
    assert seen[0][1] != seen[2][1]


def test_without_measured_scans_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(laboratories, "measured_folder", lambda: None)
    assert laboratories.main() == {}
    assert "NIGHTSTACK_MEASURED" in capsys.readouterr().out
