"""A set's share inside the intervals is held against laboratories of that set's geometry."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import sim.slide
from benchmarks import laboratories
from benchmarks.slide_rows import Row, simulated_row
from sim.slide import LABORATORY, slide, three_lines
from sim.slide_physics import Laboratory, draw_laboratory


@pytest.fixture
def rows() -> list[Row]:
    made = [slide(0.08, depth, 5, laboratory=(5,)) for depth in (0.5, 0.7)]
    return [replace(simulated_row(scan, f"row-{n}"), laboratory="set4 0.08") for n, scan in enumerate(made)]


def test_a_line_says_what_was_measured_and_how_laboratories_came_out(
    rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter([(0.91, 0.93), (0.80, 0.82), (0.90, 0.94), (0.97, 0.88)])
    monkeypatch.setattr(laboratories, "measured_folder", lambda: Path())
    monkeypatch.setattr(laboratories, "measured_rows", lambda _: {"8 cm": rows})
    monkeypatch.setattr(laboratories, "_judged", lambda row: None)
    monkeypatch.setattr(laboratories, "_inside", lambda _: np.array(next(shares)))
    console = Console(width=160, record=True, file=io.StringIO())
    found = laboratories.main(console, laboratories=3)
    assert found["slide set 4 (8 cm)"]["measured"] == [0.91, 0.93]
    lines = [
        line.split() for line in console.export_text().splitlines() if "slide set" in line or "local" in line
    ]
    whole, local = lines[-2:]
    assert whole[-9:] == ["91.0", "89.0", "80.0", "81.0", "96.3", "97.0", "1", "of", "3"]
    assert local == ["local", "93.0", "88.0", "82.0", "82.6", "93.4", "94.0", "1", "of", "3"]


def test_shares_are_of_the_errors_and_of_those_less_the_median(rows: list[Row]) -> None:
    judged = [laboratories._judged(row) for row in rows]
    tags = [of.tags for of in judged]
    wanted = [
        np.mean(np.abs(np.concatenate([getattr(t, error) for t in tags]))
                <= 1.6448536 * np.concatenate([getattr(t, sigma) for t in tags]))
        for error, sigma in (("error_m", "sigma_along_m"), ("local_error_m", "sigma_local_m"))
    ]  # fmt: skip
    assert laboratories._inside(judged) == pytest.approx(wanted)


def test_a_laboratory_has_the_rows_of_the_set_and_one_room_for_all(
    rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = [
        simulated_row(slide(0.06, depth, 6, tags=10), f"narrow-{depth}") for depth in np.linspace(0.5, 0.7, 6)
    ]
    drawn: list[tuple[object, ...]] = []
    rooms: list[float] = []
    real = laboratories.scan_row

    def watched(
        along_m: object, depth_m: float, seed: tuple[int, ...], *more: object, laboratory: object
    ) -> object:
        drawn.append((depth_m, seed, laboratory))
        return real(along_m, depth_m, seed, *more, laboratory=laboratory)

    def room(rng: np.random.Generator, *of: object) -> Laboratory:
        made = draw_laboratory(rng, *of)
        rooms.append(made.wall_m)
        return made

    monkeypatch.setattr(laboratories, "scan_row", watched)
    monkeypatch.setattr(laboratories, "_judged", lambda row: row)
    monkeypatch.setattr(sim.slide, "draw_laboratory", room)
    like = [*rows, *narrow]
    made = laboratories.simulated(like, (0, 1))
    assert [row.scan.pitch_m for row in made] == pytest.approx([row.scan.pitch_m for row in like])
    assert [depth for depth, _, _ in drawn] == pytest.approx([row.scan.away_m.min() for row in like])
    assert len(set(rooms)) == 1
    laboratories.simulated(rows[:1], (0, 2))
    assert len(set(rooms)) == 2
    # A scan's stream of chance is none of a laboratory's, which the number LABORATORY ends.
    assert all((*laboratory, LABORATORY) != seed for _, seed, laboratory in drawn)
    assert len({seed for _, seed, _ in drawn}) == len(drawn)


def test_sets_take_rows_of_every_pitch_but_none_of_several_lines(rows: list[Row]) -> None:
    other = replace(simulated_row(slide(0.06, 0.6, 6), "other"), laboratory="set3 0.06")
    lines = replace(simulated_row(three_lines(0.6, 6), "lines"), laboratory="set4 0.04")
    found = laboratories.by_set(
        {"6 cm": [other], "8 cm": [replace(rows[0], laboratory="set3 0.08"), rows[1]], "lines": [lines]}
    )
    assert {name: len(of) for name, of in found.items()} == {
        "slide set 3 (4-10 cm)": 2,
        "slide set 4 (8 cm)": 1,
    }


def test_without_measured_scans_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(laboratories, "measured_folder", lambda: None)
    assert laboratories.main() == {}
    assert "NIGHTSTACK_MEASURED" in capsys.readouterr().out
