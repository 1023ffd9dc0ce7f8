"""Simulated rows of free tags before a one-metre slide, as recordings like the measured ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from recording import write_recording
from sim.slide import slide, to_recording

PITCHES_M: Final = (0.20, 0.08, 0.04)
ROWS: Final = 12
NEAREST_M, FARTHEST_M = 0.45, 0.9  # from the rail to the row, as in the measured sets
SEED: Final = 500


def record_rows(folder: Path, *, rows: int = ROWS) -> Mapping[str, tuple[Path, ...]]:
    """Simulate ``rows`` rows of each pitch, 0.45 to 0.9 m away; return their recording folders by group."""
    depths = np.linspace(NEAREST_M, FARTHEST_M, rows).tolist()
    return {
        f"simulated slide, {100 * pitch:.0f} cm": tuple(
            record_row(folder / f"{round(100 * pitch)}-{n}", pitch, depth, SEED + n)
            for n, depth in enumerate(depths)
        )
        for pitch in PITCHES_M
    }


def record_row(folder: Path, pitch_m: float, depth_m: float, seed: int) -> Path:
    """Simulate one row and write its recording, with plan and truth."""
    recording, plan = to_recording(slide(pitch_m, depth_m, seed), folder.name)
    return write_recording(folder, recording, plan=plan.to_json())
