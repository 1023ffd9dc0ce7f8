"""A simulated library, scanned once: what every method is tried on where no measured scan is at hand."""

from __future__ import annotations

from pathlib import Path

from sim.library import make_library
from sim.record import record


def record_library(
    folder: Path, *, books: int, seed: int = 7, preset: str = "ordinary", speed_mps: float = 0.1
) -> Path:
    """Make a library, scan it, and return the recording's folder."""
    library = make_library(books, seed=seed, radio=preset)
    return record(library, folder / f"{preset}-{seed}", speed_mps=speed_mps, seed=seed + 1)
