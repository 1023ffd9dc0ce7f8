"""Simulated rows of free tags before a one-metre slide, as recordings like the measured ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from recording import write_recording
from sim.slide import SLIDE, slide, three_lines, to_recording

PITCHES_M: Final = (0.20, 0.08, 0.04)
THREE_LINES: Final = "simulated slide, 4 cm, 3 lines"
ROW_GROUPS: Final = (*(f"simulated slide, {100 * pitch:.0f} cm" for pitch in PITCHES_M), THREE_LINES)
LINES_DEPTHS_M: Final = (0.47, 0.57, 0.67, 0.77)
ROWS: Final = 48
NEAREST_M, FARTHEST_M = 0.45, 0.9  # from the rail to the row, as in the measured sets
SEED: Final = 500


def record_rows(folder: Path, *, rows: int = ROWS) -> Mapping[str, tuple[Path, ...]]:
    """Simulate ``rows`` rows of each pitch, 0.45 to 0.9 m away; return their recording folders by group.

    And as many of twenty tags 4 cm apart on three lines, 12.5 cm one above the other, in one face.
    """
    depths = np.linspace(NEAREST_M, FARTHEST_M, rows).tolist()
    single = {
        group: tuple(
            record_row(folder / f"{round(100 * pitch)}-{n}", pitch, depth, SEED + n)
            for n, depth in enumerate(depths)
        )
        for group, pitch in zip(ROW_GROUPS, PITCHES_M, strict=False)
    }
    lines = tuple(record_lines(folder / f"lines-{n}", SEED + n) for n in range(rows))
    return {**single, THREE_LINES: lines}


def record_row(folder: Path, pitch_m: float, depth_m: float, seed: int) -> Path:
    """Simulate one row and write its recording, with plan and truth."""
    recording, plan = to_recording(slide(pitch_m, depth_m, seed), folder.name)
    return write_recording(folder, recording, plan=plan.to_json())


def record_lines(folder: Path, seed: int, **parameters: float) -> Path:
    """Simulate three lines, one above the other, and write their recording; ``parameters`` change the laboratory's."""
    depth = LINES_DEPTHS_M[seed % len(LINES_DEPTHS_M)]
    scan = three_lines(depth, seed, replace(SLIDE, **parameters))
    recording, plan = to_recording(scan, folder.name, one_face=True)
    return write_recording(folder, recording, plan=plan.to_json())
